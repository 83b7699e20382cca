"""`minidet explain`: every stage of an R-CNN on one image, as pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minidet.commands.load import add_model_arguments, fraction_argument, load_detector
from minidet.errors import InputError

DESCRIPTION = """\
Show what a network of two stages makes of an image, stage by stage: its input, the pyramid of features, anchors,
objectness, proposals before and after suppression and what suppressed each, the level and the features of each box,
boxes, masks before and after they are put into the image, keypoints. Each is a PNG file in the folder of --out, named
by its number and stage.
"""

EXAMPLES = """\
examples:
  minidet explain street.jpg --model mask-rcnn-r50-fpn --weights maskrcnn_resnet50_fpn.pth --out stages
  minidet explain people.jpg --model keypoint-rcnn-r50-fpn --weights keypoints.pth --score 0.7 --out stages
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet explain`."""
    parser = commands.add_parser(
        "explain",
        help="every stage of a network of two stages, as pictures",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", metavar="IMAGE", help="image file")
    add_model_arguments(parser)
    parser.add_argument(
        "--score",
        type=fraction_argument,
        default=0.25,
        metavar="T",
        help="objects are boxes with a score greater than T (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the pictures")
    parser.set_defaults(run=run, nms_kind="iou")


def run(arguments: argparse.Namespace) -> int:
    """Write the pictures, all or none; raises `InputError` for what is wrong."""
    from minidet.commands.outputs import all_or_nothing, check_folder, save_picture
    from minidet.data.image import load_image
    from minidet.explain import pictures

    image = load_image(arguments.image)
    model, names = load_detector(arguments)
    if not hasattr(model, "stages"):
        network = arguments.cfg or arguments.model
        raise InputError(f"{network} has no proposals to explain; this is for R-CNNs, such as mask-rcnn-r50-fpn")
    model.roi_heads.score = arguments.score
    made = {
        f"{k + 1:02}-{name}.png": picture
        for k, (name, picture) in enumerate(pictures(model, image, names=names).items())
    }
    check_folder(arguments.out, list(made), [Path(arguments.image)])
    try:
        with all_or_nothing(arguments.out) as stage:
            for name, picture in made.items():
                save_picture(stage / name, picture)
    except OSError as error:
        raise InputError(f"--out {arguments.out}: cannot be written: {error.strerror or error}") from None
    for name, picture in made.items():
        print(f"{name}  {picture.shape[1]}x{picture.shape[0]}")
    print(f"minidet: wrote {len(made)} pictures to {arguments.out}", file=sys.stderr)
    return 0
