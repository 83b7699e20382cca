"""`minidet conform fingerprint`: the conventions of a target, inferred from its answers."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidet.commands.conform_target import add_target, declared_of
from minidet.errors import InputError

DESCRIPTION = """\
Run the inputs that tell conventions apart on TARGET, in a process of its own, and print the value of each convention
that explains its answers; "none of the known" where nothing known does.

TARGET is a Python function (module:function), an ONNX model (FILE.onnx), or any program (run:PROGRAM), which finds the
inputs as NAME.npy in the folder that it is given as its last argument, and writes answer.npy there; or one that stays,
and reads and writes messages of .npz (pipe:PROGRAM); or a folder of answers (recorded:FOLDER, minidet conform record).

A function is called with its arguments by their place, as the operator's call says (minidet conform conventions), and
by name where it takes them by name alone.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform fingerprint`."""
    parser = parts.add_parser(
        "fingerprint",
        help="which conventions a function follows",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    parser.add_argument("--evidence", action="store_true", help="each input with the target's answer, as NumPy code")
    parser.add_argument("--json", action="store_true", help="one JSON object, evidence included")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the fingerprint on standard output; raises `InputError` where the target cannot be loaded."""
    from minidet.conformance import fingerprint
    from minidet.conformance.declared import opened
    from minidet.conformance.report import as_dict, as_text

    with opened(declared_of(arguments)) as (target, operator):
        if not operator.vectors:
            raise InputError(f"{target.name}: has no answer to a telling input")
        found = fingerprint(operator, target, dtype=arguments.dtype)
    if arguments.json:
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(as_text(found, evidence=arguments.evidence))
    return 0
