"""`minidet plan`: how an inference plan computes a network, step by step, and what each step takes here."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidet.commands.facts import build_network
from minidet.commands.load import size_argument
from minidet.errors import InputError

DESCRIPTION = """\
Prepare an inference plan of a network, run it a few times on this machine, and print each step: the layer, how it is
computed and why, its time, and its rate beside what the multiply-add units can do. MODEL is a name (yolov3,
yolov3-tiny, yolov3-spp) or the path of a Darknet cfg. The weights are drawn at random; the times do not depend on them.
"""

EXAMPLES = """\
examples:
  minidet plan yolov3 --size 416
  minidet plan yolov4.cfg --batch 4 --json > plan.json
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet plan`."""
    parser = commands.add_parser(
        "plan",
        help="how an inference plan computes a network, and what each step takes",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="name of a network, or path of a Darknet cfg")
    parser.add_argument(
        "--size", metavar="N|HxW", type=size_argument, help="input size, height first (default: the network's own)"
    )
    parser.add_argument("--classes", metavar="N", type=int, help="number of classes (default: the network's own)")
    parser.add_argument("--batch", metavar="N", type=int, default=1, help="images at a time (default: %(default)s)")
    parser.add_argument("--repeats", metavar="N", type=int, default=5, help="runs to take the median of (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan on standard output; raises `InputError` for what is wrong."""
    import numpy as np

    from minidet.errors import one_line
    from minidet.plan import Plan, PlanError

    for name in ("batch", "repeats"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name}: expected at least 1, found {getattr(arguments, name)}")
    net = build_network(arguments.model, {"size": arguments.size, "classes": arguments.classes, "rng": 0}).eval()
    channels = getattr(net, "channels", 3)
    x = np.random.default_rng(0).random((arguments.batch, channels, *net.size), dtype=np.float32)
    if hasattr(net, "found"):  # of an R-CNN what is dense: all maps of the backbone, the pyramid and the proposals
        from minidet.models.rcnn.planned import Dense

        net = Dense(net).eval()
    try:
        found = Plan(net, weights="frozen").explain(x, repeats=arguments.repeats)
    except PlanError as error:
        raise InputError(f"{arguments.model}: {one_line(error)}") from None
    print(json.dumps(found.document(), indent=2) if arguments.json else found)
    return 0
