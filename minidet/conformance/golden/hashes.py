"""``python -m minidet.conformance.golden.hashes``: write down the hash of every operator's vectors, as they are now.

The list is kept (``data/golden.toml``) so that a definition does not change unseen; the vectors are made when needed.
"""

from __future__ import annotations

from pathlib import Path

from ..operators import OPERATORS
from .build import generate
from .files import digest

LIST = Path(__file__).parents[1] / "data" / "golden.toml"
HEAD = """\
# The hash of each operator's golden vectors, numbers to ten digits: a definition that changes shows here.
# Written by `python -m minidet.conformance.golden.hashes`.

[sha256]
"""


def main() -> None:
    """Write the list."""
    lines = []
    for name in OPERATORS:
        lines.append(f'{name} = "{digest(generate(name))}"\n')
        print(lines[-1], end="", flush=True)
    LIST.write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
