"""`minidet data anchors`: anchors for a data set, and how well they fit."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidet.commands.data_source import add_source, read_source
from minidet.commands.load import size_argument
from minidet.errors import InputError

DESCRIPTION = """\
Anchors by k-means over widths and heights of the boxes, with 1 - IoU for a distance, as in YOLO9000; the mean IoU of a
box with its best anchor, and the fraction of boxes for which that is at least .5.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data anchors`."""
    parser = commands.add_parser("anchors", help="anchors by k-means, with quality figures", description=DESCRIPTION)
    add_source(parser)
    parser.add_argument("--count", type=int, default=9, metavar="K", help="how many (default: %(default)s)")
    parser.add_argument(
        "--size", type=size_argument, default=(416, 416), metavar="N|HxW", help="of the network's input (default: 416)"
    )
    parser.add_argument("--stretch", action="store_true", help="pictures are stretched, not letterboxed")
    parser.add_argument("--centre", choices=("median", "mean"), default="median", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first centres (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the anchors."""
    from minidet.data.anchors import box_sizes, kmeans_anchors

    if arguments.count < 1 or arguments.seed < 0:
        raise InputError(f"--count from 1 and --seed from 0 were expected, found {arguments.count}, {arguments.seed}")
    dataset = read_source(arguments)
    placement = "stretch" if arguments.stretch else "letterbox"
    sizes = box_sizes(dataset, arguments.size, placement=placement)
    found = kmeans_anchors(sizes, arguments.count, seed=arguments.seed, centre=arguments.centre)
    pairs = [[round(float(w), 2), round(float(h), 2)] for w, h in found.sizes]
    h, w = arguments.size
    if arguments.json:
        document = {
            "path": str(arguments.path),
            "split": arguments.split,
            "size": [h, w],
            "placement": placement,
            "centre": arguments.centre,
            "seed": arguments.seed,
            "boxes": len(sizes),
            "anchors": pairs,
            "mean_iou": found.mean_iou,
            "recall": found.recall,
        }
        print(json.dumps(document, indent=2))
        return 0
    print(f"{arguments.count} anchors, width x height, for an input of {w}x{h} ({placement}) from {len(sizes)} boxes")
    for width, height in pairs:
        print(f"  {width:7.2f} x {height:7.2f}")
    print(f"mean IoU with the best anchor  {found.mean_iou:.4f}")
    print(f"boxes with an IoU of .5 or more  {100 * found.recall:.2f}%")
    print("anchors = " + ",  ".join(f"{width:g},{height:g}" for width, height in pairs))
    return 0
