"""Arguments that several parts of `minidet conform` share: what the target is, and what is searched for."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance.declared import Declared
    from minidet.conformance.ledger import Known
    from minidet.conformance.pipe import Pipe
    from minidet.conformance.program import Program
    from minidet.conformance.recorded import Recorded
    from minidet.conformance.suite import Asked
    from minidet.conformance.target import Caller, Target


def add_target(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what the target is and how it is called."""
    parser.add_argument(
        "target", metavar="TARGET",
        help="a function, as torchvision.ops:nms; FILE.onnx; run:PROGRAM; pipe:PROGRAM; recorded:FOLDER",
    )  # fmt: skip
    add_operator(parser)
    add_how(parser)


def add_operator(parser: argparse.ArgumentParser) -> None:
    """Which operator the target is."""
    from minidet.commands.conform import operator_argument

    parser.add_argument(
        "--op", required=True, type=operator_argument, metavar="OPERATOR", help="what it is meant to be"
    )


def add_how(parser: argparse.ArgumentParser) -> None:
    """How a target is called."""
    parser.add_argument(
        "--arrays",
        choices=("numpy", "torch", "cupy", "dlpack", "list"),
        help="what it takes (default: torch for torch's and torchvision's)",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="where torch's and dlpack's arrays are (default: cpu)"
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
    add_form(parser)


def add_form(parser: argparse.ArgumentParser) -> None:
    """The format of its boxes, and the dtype of its arrays."""
    parser.add_argument(
        "--boxes", choices=("xyxy", "xywh", "cxcywh", "yxyx"), default="xyxy", help="its boxes (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of its arrays (default: %(default)s)"
    )


def add_search(parser: argparse.ArgumentParser, *, examples: int, what: str) -> None:
    """The dialect, and how much is searched."""
    parser.add_argument("--profile", metavar="NAME", help="whose conventions (default: those that are inferred)")
    parser.add_argument("--examples", type=int, default=examples, metavar="N", help=f"{what} (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")


def add_leaving_out(parser: argparse.ArgumentParser) -> None:
    """Which inputs are not searched."""
    parser.add_argument(
        "--without", action="append", default=[], metavar="PREDICATE",
        help="inputs that are not in the target's domain, as has_nan or 'more_than(1000)'; may be repeated",
    )  # fmt: skip
    parser.add_argument("--ledger", metavar="FILE", help="known divergences: replayed, and left out of the search")


def declared_of(arguments: argparse.Namespace) -> Declared:
    """The target of these arguments."""
    from minidet.conformance import OPERATORS
    from minidet.conformance.declared import Declared

    return Declared(
        OPERATORS[arguments.op], arguments.target, arguments.arrays, arguments.boxes, arguments.device,
        arguments.dtype, dict(arguments.extra), arguments.limit,
    )  # fmt: skip


def opened(arguments: argparse.Namespace) -> Target | Program | Pipe | Recorded:
    """The target of these arguments, to be entered."""
    return declared_of(arguments).made()


def asked_of(arguments: argparse.Namespace) -> Asked:
    """What is asked of the target; raises `InputError` for a profile, a predicate or a ledger that is none."""
    from minidet.conformance.suite import Asked

    if getattr(arguments, "examples", 1) < 1:
        raise InputError(f"--examples {arguments.examples}: expected at least 1")
    without, known = tuple(getattr(arguments, "without", ())), known_of(arguments)
    asked = Asked(declared_of(arguments), arguments.profile or "", without, known)
    asked.dialect(), asked.skip()
    return asked


def known_of(arguments: argparse.Namespace) -> tuple[Known, ...]:
    """The entries of --ledger."""
    from minidet.conformance.ledger import read

    return tuple(read(arguments.ledger)) if getattr(arguments, "ledger", None) else ()


def check_profile(arguments: argparse.Namespace) -> None:
    """Raise `InputError` for a profile that says nothing of the operator."""
    asked_of(arguments)


def dialect_of(arguments: argparse.Namespace, target: Caller) -> dict[str, str]:
    """The dialect of the profile; without one, what the target's fingerprint says, of what it can be asked."""
    from dataclasses import replace

    from minidet.conformance import fingerprint
    from minidet.conformance.recorded import Recorded

    asked = asked_of(arguments)
    named = asked.dialect()
    if named is not None:
        return dict(named)
    operator, skip = asked.declared.operator, asked.skip()
    vectors = target.answered_vectors() if isinstance(target, Recorded) else operator.vectors
    vectors = tuple(one for one in vectors if not skip(one.cast(arguments.dtype)))
    if not vectors:
        raise InputError(f"{target.name}: no telling input is left to infer a dialect from; name a --profile")
    found = fingerprint(replace(operator, vectors=vectors), target, dtype=arguments.dtype)
    return operator.dialect(**{name: some[0] for name, some in found.values.items() if some})


def keyword(text: str) -> tuple[str, Any]:
    """``KEY=VALUE``."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value
