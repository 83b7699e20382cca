"""`minidet demo`: learn on this machine, evaluate, detect, and leave an annotated picture."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet demo`."""
    parser = commands.add_parser(
        "demo",
        help="train a small detector on procedural shapes and show what it finds",
        description=(
            "Train a small YOLOv3 on procedural pictures of overlapping shapes, measure its average precision on "
            "pictures it has not seen, and write an annotated picture. Needs no files and no network."
        ),
    )
    parser.add_argument(
        "--out", default="demo-out", metavar="DIR", help="folder for what it writes (default: %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=_count,
        metavar="N",
        help="steps of training; with few of them the network does not learn, and the exit status is 1",
    )
    parser.add_argument("--seed", type=_count, metavar="N", help="another seed, other pictures and weights")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    """A whole number, not negative."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"a whole number was expected, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the work is `minidet.demo.run`. Status 1 when the network did not learn."""
    from minidet import demo

    given = {name: getattr(arguments, name) for name in ("steps", "seed") if getattr(arguments, name) is not None}
    return demo.run(arguments.out, demo.Config(**given))
