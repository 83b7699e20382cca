"""`minidet conform fingerprint`: the conventions of a target, inferred from its answers."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance import Program, Target

DESCRIPTION = """\
Run the inputs that tell conventions apart on TARGET, in a process of its own, and print the value of each convention
that explains its answers; "none of the known" where nothing known does.

TARGET is a Python function (module:function), an ONNX model (FILE.onnx), or any program (run:PROGRAM), which finds the
inputs as NAME.npy in the folder that it is given as its last argument, and writes answer.npy there.

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


def add_target(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what the target is and how it is called."""
    from minidet.commands.conform import operator_argument

    parser.add_argument("target", metavar="TARGET", help="a function, as torchvision.ops:nms; FILE.onnx; run:PROGRAM")
    parser.add_argument(
        "--op", required=True, type=operator_argument, metavar="OPERATOR", help="what it is meant to be"
    )
    parser.add_argument(
        "--arrays",
        choices=("numpy", "torch", "list"),
        help="what it takes (default: torch for torch's and torchvision's)",
    )
    parser.add_argument(
        "--boxes", choices=("xyxy", "xywh", "cxcywh", "yxyx"), default="xyxy", help="its boxes (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of its arrays (default: %(default)s)"
    )
    parser.add_argument(
        "--with", dest="extra", action="append", default=[], type=keyword, metavar="KEY=VALUE",
        help="a further keyword of every call; VALUE is JSON, or text",
    )  # fmt: skip
    parser.add_argument(
        "--limit",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds after which a call hangs, but 60 for the first (default: %(default)g)",
    )


def opened(arguments: argparse.Namespace) -> Target | Program:
    """The target of these arguments, to be entered."""
    from minidet.conformance import OPERATORS, Program, Target

    if not arguments.limit > 0:
        raise InputError(f"--limit {arguments.limit:g}: expected seconds above 0")
    boxes, outputs = OPERATORS[arguments.op].boxes, OPERATORS[arguments.op].outputs
    if arguments.target.startswith("run:"):
        if arguments.extra or arguments.arrays:
            raise InputError(f"{arguments.target}: --with and --arrays are of Python functions; a program reads files")
        command = arguments.target[len("run:") :]
        return Program(command, boxes=boxes, outputs=outputs, form=arguments.boxes, limit=arguments.limit)
    return Target(
        arguments.target,
        boxes=boxes,
        outputs=outputs,
        arrays=arguments.arrays,
        form=arguments.boxes,
        extra=dict(arguments.extra),
        limit=arguments.limit,
    )


def keyword(text: str) -> tuple[str, Any]:
    """``KEY=VALUE``."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def run(arguments: argparse.Namespace) -> int:
    """Print the fingerprint on standard output; raises `InputError` where the target cannot be loaded."""
    from minidet.conformance import OPERATORS, fingerprint
    from minidet.conformance.report import as_dict, as_text

    operator = OPERATORS[arguments.op]
    with opened(arguments) as target:
        found = fingerprint(operator, target, dtype=arguments.dtype)
    if arguments.json:
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(as_text(found, evidence=arguments.evidence))
    return 0
