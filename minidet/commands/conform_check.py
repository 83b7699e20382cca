"""`minidet conform check`: search for an input on which a target departs from a profile, or from its fingerprint."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidet.commands.conform_target import add_leaving_out, add_search, add_target, asked_of, dialect_of, opened
from minidet.errors import InputError

DESCRIPTION = """\
Draw inputs, compare TARGET's answers with those of the reference in a dialect, and shrink the first that differs. The
dialect is a well-known profile (--profile torchvision-cpu), or what `minidet conform fingerprint` infers of TARGET. Of
a counterexample it says which other conventions would explain it. Known divergences (--ledger) are replayed, and left
out of the search. Exit status 1 where TARGET does not conform, or a known divergence is not as it was.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform check`."""
    parser = parts.add_parser(
        "check",
        help="search for an input on which a function departs from a profile",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    add_search(parser, examples=200, what="how many inputs to draw")
    add_leaving_out(parser)
    parser.add_argument(
        "--write-ledger", metavar="FILE", help="add the counterexample to this ledger, to be given a reason"
    )
    parser.add_argument(
        "--budget", type=float, default=120.0, metavar="S",
        help="seconds to search and shrink, then what was found is reported (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict on standard output; raises `InputError` where the target cannot be loaded."""
    from minidet.conformance import check
    from minidet.conformance.check import PASSES
    from minidet.conformance.declared import Patient, SpentError
    from minidet.conformance.ledger import add, replay
    from minidet.conformance.recorded import Recorded, check_recorded
    from minidet.conformance.report import replays_dict, replays_text, verdict_dict, verdict_text

    asked = asked_of(arguments)
    if not arguments.budget > 0:
        raise InputError(f"--budget {arguments.budget:g}: expected seconds above 0")
    operator = asked.declared.operator
    with opened(arguments) as target:
        dialect = dialect_of(arguments, target)
        replays = [replay(known, target) for known in asked.ledger]
        if isinstance(target, Recorded):
            verdict = check_recorded(operator, target, dialect, skip=asked.skip())
        else:
            patient = Patient(target, arguments.budget)
            try:
                verdict = check(
                    operator, patient, dialect, examples=arguments.examples, dtype=arguments.dtype,
                    seed=arguments.seed, skip=asked.skip(),
                )  # fmt: skip
            except SpentError as spent:
                raise InputError(f"{target.name}: {spent}, none of them wrong; --budget or --examples") from None
    if arguments.json:
        print(json.dumps(verdict_dict(verdict) | {"ledger": replays_dict(replays)}, indent=2))
    else:
        print("\n".join([*replays_text(replays), verdict_text(verdict)]))
    if arguments.write_ledger and verdict.found is not None:
        add(arguments.write_ledger, verdict)
    left = sum(verdict.left_out.values())
    if verdict.tried and left >= verdict.tried:
        raise InputError(f"{verdict.target}: nothing was tested, every input is left out")
    return 0 if verdict.word in PASSES and all(one.word == "still" for one in replays) else 1
