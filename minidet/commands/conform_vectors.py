"""`minidet conform vectors`, `minidet conform replay`: right answers as files, and a target held against them."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidet.commands.conform_target import add_target, check_profile, dialect_of, opened
from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance.golden import Replayed

VECTORS = """\
Write golden vectors: for each operator NAME.json and NAME.npz, with inputs and all their right answers by convention,
computed from the definitions and never by running an implementation. Any language reads them; see docs/golden.md.
"""

REPLAY = """\
Run TARGET on the golden vectors of a folder, in the dialect of a profile or, without one, in what `minidet conform
fingerprint` infers of TARGET. Exit status 1 where an answer is wrong.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of both."""
    from minidet.commands.conform import operator_argument

    parser = parts.add_parser(
        "vectors",
        help="write inputs and right answers as files",
        description=VECTORS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where; it is made if it is not there"
    )
    parser.add_argument(
        "--op", action="append", type=operator_argument, metavar="OPERATOR", help="only this one; can be repeated"
    )
    parser.set_defaults(run=write)
    parser = parts.add_parser(
        "replay",
        help="run a function on golden vectors",
        description=REPLAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    parser.add_argument("--vectors", type=Path, required=True, metavar="FOLDER", help="what `vectors` wrote")
    parser.add_argument("--profile", metavar="NAME", help="whose conventions (default: those that are inferred)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def write(arguments: argparse.Namespace) -> int:
    """Write the files, and say which."""
    from minidet.conformance.golden import write as write_vectors

    try:
        files = write_vectors(arguments.out, dict.fromkeys(arguments.op) if arguments.op else None)
    except OSError as error:
        raise InputError(f"--out {arguments.out}: {error.strerror}") from None
    for path in files:
        print(f"{path}  {path.stat().st_size:,} bytes")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong, and how many cases are right."""
    from minidet.conformance.golden import load, replay

    check_profile(arguments)
    held = load(arguments.vectors)
    if arguments.op not in held:
        raise InputError(f"{arguments.vectors}: no vectors of {arguments.op}; there are {', '.join(held)}")
    with opened(arguments) as target:
        dialect = dialect_of(arguments, target)
        found = list(replay(held[arguments.op], target, dialect))
    counts = Counter(one.word for one in found)
    if arguments.json:
        cases = [{"case": one.case.case.name, "kind": one.case.case.kind, "word": one.word} for one in found]
        print(json.dumps({"target": arguments.target, "dialect": dialect, "counts": counts, "cases": cases}, indent=2))
    else:
        print("\n".join(_lines(arguments.target, found, counts)))
    return int(not all(one.passes for one in found))


def _lines(target: str, found: list[Replayed], counts: Counter[str]) -> list[str]:
    from minidet.conformance.report import literal

    lines = []
    for one in found:
        if one.passes or one.outcome is None or one.wanted is None:
            continue
        lines.append(f"wrong: {one.case.case.name} ({one.case.case.kind})")
        lines += [f"{name} = {literal(value)}" for name, value in one.case.inputs.items()]
        lines.append(f"# expected {_plain(one.wanted.answer)}; {_said(one)}")
        if one.follows:
            said = " and ".join(f"{name}={value}" for name, value in one.follows[0].items())
            lines.append(f"right under {said or 'the profile minidet'}")
        lines.append("")
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [*lines, f"{target}: {len(found)} cases: {said}"]


def _said(one: Replayed) -> str:
    assert one.outcome is not None
    return f"{one.outcome.kind} {one.outcome.reason or _plain(one.outcome.answer)}"


def _plain(answer: Any) -> str:
    text = " ".join(str(answer).split())
    return text if len(text) < 200 else text[:197] + "..."
