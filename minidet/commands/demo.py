"""`minidet demo`: learn on this machine, evaluate, detect, and leave an annotated picture."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.errors import InputError


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
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="folder to write to (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws pictures and weights (default: 0)")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of training (default: about a minute of them)")
    parser.add_argument("--scenes", type=int, metavar="N", help="scenes to train on (default: enough for a minute)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, which is `minidet.demo.run`; status 1 when the network learned too little."""
    from minidet import demo

    if arguments.seed < 0:
        raise InputError(f"--seed: a number from 0 was expected, found {arguments.seed}")
    given = {"steps": arguments.steps, "scenes": arguments.scenes}
    chosen = {name: value for name, value in given.items() if value is not None}
    return demo.run(arguments.out, demo.Config(seed=arguments.seed, **chosen))
