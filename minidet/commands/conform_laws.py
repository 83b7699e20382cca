"""`minidet conform laws`: what must hold of a function whatever its conventions are."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidet.commands.conform_target import add_leaving_out, add_search, add_target, asked_of, dialect_of, opened
from minidet.errors import InputError

DESCRIPTION = """\
Ask TARGET for answers that must follow from each other: boxes that move, turn or grow together, a box far away, images
of a batch, classes by themselves. No reference is needed. Laws that a convention suspends are left out by TARGET's
fingerprint, or by --profile. Exit status 1 where a law is broken.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform laws`."""
    parser = parts.add_parser(
        "laws",
        help="what must hold of a function whatever its conventions are",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    add_search(parser, examples=100, what="inputs for each law")
    add_leaving_out(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each law on standard output; raises `InputError` where the target cannot be loaded."""
    from minidet.conformance import laws
    from minidet.conformance.recorded import Recorded
    from minidet.conformance.report import laws_dict, laws_text

    asked = asked_of(arguments)
    with opened(arguments) as target:
        if isinstance(target, Recorded):
            raise InputError(f"{target.name}: laws ask for what was not recorded")
        found = laws(
            asked.declared.operator, target, dialect_of(arguments, target), examples=arguments.examples,
            dtype=arguments.dtype, seed=arguments.seed, skip=asked.skip(),
        )  # fmt: skip
        name = target.name
    print(json.dumps(laws_dict(name, found), indent=2) if arguments.json else laws_text(name, found))
    return 0 if all(one.word in ("holds", "suspended") for one in found) else 1
