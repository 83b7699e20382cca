"""`minidet conform check`: search for an input on which a target departs from a profile, or from its fingerprint."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from minidet.commands.conform_fingerprint import add_target, opened
from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance.target import Caller

DESCRIPTION = """\
Draw inputs, compare TARGET's answers with those of the reference in a dialect, and shrink the first that differs. The
dialect is a well-known profile (--profile torchvision-cpu), or what `minidet conform fingerprint` infers of TARGET. Of
a counterexample it says which other conventions would explain it. Exit status 1 where TARGET does not conform.
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
    parser.add_argument("--profile", metavar="NAME", help="whose conventions (default: those that are inferred)")
    parser.add_argument(
        "--examples", type=int, default=200, metavar="N", help="how many inputs to draw (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict on standard output; raises `InputError` where the target cannot be loaded."""
    from minidet.conformance import OPERATORS, check
    from minidet.conformance.check import PASSES
    from minidet.conformance.report import verdict_dict, verdict_text

    operator = OPERATORS[arguments.op]
    if arguments.examples < 1:
        raise InputError(f"--examples {arguments.examples}: expected at least 1")
    check_profile(arguments)
    with opened(arguments) as target:
        dialect = dialect_of(arguments, target)
        verdict = check(
            operator, target, dialect, examples=arguments.examples, dtype=arguments.dtype, seed=arguments.seed
        )
    print(json.dumps(verdict_dict(verdict), indent=2) if arguments.json else verdict_text(verdict))
    return 0 if verdict.word in PASSES else 1


def check_profile(arguments: argparse.Namespace) -> None:
    """Raise `InputError` for a profile that says nothing of the operator."""
    from minidet.conformance import profiles

    known = [name for name, operators in profiles().items() if arguments.op in operators]
    if arguments.profile is not None and arguments.profile not in known:
        raise InputError(f"--profile {arguments.profile}: for {arguments.op} there are {', '.join(known)}")


def dialect_of(arguments: argparse.Namespace, target: Caller) -> dict[str, str]:
    """The dialect of the profile; without one, what the target's fingerprint says."""
    from minidet.conformance import OPERATORS, fingerprint, profiles

    operator = OPERATORS[arguments.op]
    if arguments.profile is not None:
        return operator.dialect(**profiles()[arguments.profile][arguments.op])
    found = fingerprint(operator, target, dtype=arguments.dtype)
    return operator.dialect(**{name: some[0] for name, some in found.values.items() if some})
