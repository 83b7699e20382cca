"""`minidet conform record`: inputs as files, for what cannot be called from here."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.commands.conform_target import add_form, add_operator, add_search
from minidet.errors import InputError

DESCRIPTION = """\
Write the inputs that tell an operator's conventions apart, and drawn ones, as files: FOLDER/0000.npz and so on. Put
each answer beside, as 0000.answer.npy (0000.answer.npz with several outputs by name; 0000.refused.txt where the input
is refused). Then: minidet conform fingerprint recorded:FOLDER --op OPERATOR, and check.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform record`."""
    parser = parts.add_parser(
        "record",
        help="inputs as files, for what cannot be called from here",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_operator(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new or empty folder")
    add_form(parser)
    add_search(parser, examples=200, what="how many inputs to draw")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write them; a line says how many."""
    from minidet.conformance import OPERATORS
    from minidet.conformance.declared import Declared
    from minidet.conformance.recorded import record
    from minidet.conformance.suite import Asked

    if arguments.examples < 0:
        raise InputError(f"--examples {arguments.examples}: expected 0 or more")
    operator = OPERATORS[arguments.op]
    dialect = Asked(Declared(operator, "recorded:"), arguments.profile or "").dialect() or operator.dialect()
    count = record(
        operator, arguments.out, dialect, examples=arguments.examples, dtype=arguments.dtype, form=arguments.boxes,
        seed=arguments.seed,
    )  # fmt: skip
    print(f"{count} inputs of {operator.call}, in {arguments.out}")
    return 0
