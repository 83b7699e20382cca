"""Arguments that say what is detected and how: those of `minidet.detect.detect`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from minidet.commands.load import fraction_argument
from minidet.data.letterbox import INVERSES, ROUNDINGS
from minidet.data.resize import METHODS
from minidet.detect import NMS, NMS_KINDS


def add_detection_arguments(parser: argparse.ArgumentParser, *, score: float = 0.25) -> None:
    """`--score`, `--nms` and their like, how an image is placed, and `--layers`; `score` is the default."""
    group = parser.add_argument_group("what counts as an object")
    group.add_argument(
        "--score",
        type=fraction_argument,
        default=score,
        metavar="T",
        help="keep scores (objectness times class probability) greater than T (default: %(default)s)",
    )
    group.add_argument(
        "--nms",
        type=fraction_argument,
        metavar="T",
        help="of two boxes of one class whose IoU is greater than T keep the better (default: 0.45; R-CNNs: 0.5)",
    )
    group.add_argument(
        "--nms-kind",
        choices=NMS_KINDS,
        default="iou",
        help="what T limits: IoU, Darknet's greedynms or diounms (DIoU), or as the cfg says (default: %(default)s)",
    )
    group.add_argument("--best-label", action="store_true", help="one class a box, the best (default: all above T)")
    group.add_argument(
        "--per-class", type=int, metavar="N", help="suppress among the N best of each class (default: all)"
    )
    group.add_argument("--most", type=int, metavar="N", help="keep the N best of an image (default: all)")
    group = parser.add_argument_group("how an image is placed on the network's input")
    placement = group.add_mutually_exclusive_group()
    for name in ("letterbox", "stretch"):
        placement.add_argument(
            f"--{name}", dest="placement", action="store_const", const=name, help=f"{name}, whatever the cfg says"
        )
    group.add_argument("--resize", choices=METHODS, default="half_pixel", help="bilinear kind (default: %(default)s)")
    group.add_argument("--rounding", choices=ROUNDINGS, default="darknet", help="letterbox's (default: %(default)s)")
    group.add_argument(
        "--inverse", choices=INVERSES, default="exact", help="letterbox's way back (default: %(default)s)"
    )
    parser.add_argument(
        "--layers", action="store_true", help="compute layer by layer, not by an inference plan (see 'minidet plan')"
    )


def detection_options(arguments: argparse.Namespace, model: Any, names: Sequence[str]) -> dict[str, Any]:
    """What the arguments say, as the keyword arguments of `minidet.detect.detect`."""
    from minidet.detect import default_placement

    return {
        "score": arguments.score,
        "nms": getattr(model, "nms", NMS) if arguments.nms is None else arguments.nms,
        "names": names,
        "placement": arguments.placement or (None if hasattr(model, "found") else default_placement(model)),
        "resize": arguments.resize,
        "rounding": arguments.rounding,
        "inverse": arguments.inverse,
        "labels": "best" if arguments.best_label else "multi",
        "nms_kind": arguments.nms_kind,
        "per_class": arguments.per_class,
        "most": arguments.most,
    }
