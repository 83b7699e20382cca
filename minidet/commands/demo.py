"""`minidet demo`: shipped weights find shapes in scenes drawn just now; or they are learned first."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.errors import InputError


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet demo`."""
    parser = commands.add_parser(
        "demo",
        help="find shapes in pictures drawn just now, with shipped weights or after learning them",
        description=(
            "Draw procedural pictures of overlapping shapes, find the shapes with the weights that come with the "
            "package, and write an annotated picture. With --train, learn them first: train a small YOLOv3, measure "
            "its average precision on pictures it has not seen. Needs no files and no network."
        ),
    )
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="folder to write to (default: %(default)s)")
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="draws the pictures, and the first weights (default: new ones; 0 to train)",
    )
    parser.add_argument(
        "--model",
        choices=("shapes", "shapes-ssd", "shapes-mask-rcnn"),
        metavar="NAME",
        help="whose weights: shapes, a YOLOv3; shapes-ssd, an SSD; shapes-mask-rcnn, with masks (default: shapes)",
    )
    parser.add_argument("--train", action="store_true", help="learn the shapes on this machine, in about a minute")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of training (default: about a minute of them)")
    parser.add_argument("--scenes", type=int, metavar="N", help="scenes to train on (default: enough for a minute)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, which is `minidet.demo_shipped.show` or `minidet.demo.run`; status 1 when too little was found."""
    if arguments.seed is not None and arguments.seed < 0:
        raise InputError(f"--seed: a number from 0 was expected, found {arguments.seed}")
    given = {"steps": arguments.steps, "scenes": arguments.scenes}
    chosen = {name: value for name, value in given.items() if value is not None}
    if not arguments.train:
        if chosen:
            raise InputError(f"--{next(iter(chosen))}: is of training; give --train too")
        from minidet.demo_shipped import show

        return show(arguments.out, arguments.seed, weights=arguments.model or "shapes")
    if arguments.model:
        raise InputError("--model: is of shipped weights; leave it out, or leave out --train")
    from minidet import demo

    return demo.run(arguments.out, demo.Config(seed=arguments.seed or 0, **chosen))
