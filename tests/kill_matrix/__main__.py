"""``python -m tests.kill_matrix [OPERATOR ...]``: a line for each operator; exit status 1 where a mutant survives."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

for folder in ("tests", "kernels", ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / folder))

from minidet.conformance import OPERATORS  # noqa: E402

from .table import computed, failures, page  # noqa: E402


def main() -> int:
    """Search, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_matrix", description=__doc__)
    parser.add_argument("operators", nargs="*", metavar="OPERATOR", help="only these (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.operators if name not in OPERATORS]:
        parser.error(f"no operator is named {unknown[0]!r}; there are {', '.join(OPERATORS)}")
    found = {}
    for name in arguments.operators or OPERATORS:
        start = time.perf_counter()
        one = found[name] = computed(OPERATORS[name])
        hows = [mutant["how"] for mutant in one["mutants"]]
        print(
            f"{name:16} {one['pairs'] - len(one['untold'])} of {one['pairs']} pairs told, {len(hows)} mutants: "
            f"{hows.count('search')} by drawn inputs, {hows.count('vector')} by telling inputs, "
            f"{hows.count('equivalent')} equivalent, {hows.count('SURVIVED')} survive "
            f"({time.perf_counter() - start:.1f} s)",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(page(found), encoding="utf-8")
    bad = failures(found)
    print("\n".join(bad) if bad else f"{sum(len(one['mutants']) for one in found.values())} mutants, none survives")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
