"""`minidet conform conventions`: the names, their values, and who uses which."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform conventions`."""
    from minidet.commands.conform import operator_argument

    parser = parts.add_parser("conventions", help="the conventions of an operator, and who uses which")
    parser.add_argument(
        "operator", nargs="?", type=operator_argument, metavar="OPERATOR", help="only this operator's (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a list")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them on standard output."""
    from dataclasses import asdict

    from minidet.conformance import OPERATORS

    chosen = [OPERATORS[arguments.operator]] if arguments.operator else list(OPERATORS.values())
    if arguments.json:
        print(json.dumps({o.name: [asdict(c) for c in o.conventions.values()] for o in chosen}, indent=2))
        return 0
    for operator in chosen:
        print(operator.call)
        for convention in operator.conventions.values():
            print(f"\n  {convention.full_name}: {convention.about}")
            width = max(len(value.name) for value in convention.values)
            for value in convention.values:
                who = f"  ({', '.join(value.who)})" if value.who else ""
                print(f"    {value.name:{width}}  {value.means}{who}")
        print()
    return 0
