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
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the work is `minidet.demo.run`."""
    from minidet import demo

    demo.run(arguments.out)
    return 0
