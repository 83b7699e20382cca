"""`minidet detect`: objects in images, as tables, JSON and annotated pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minidet.commands.bar import progress
from minidet.commands.inputs import image_files
from minidet.commands.load import add_model_arguments, load_detector, plan_of
from minidet.commands.options import add_detection_arguments, detection_options
from minidet.data.image import load_image
from minidet.detections import Detections
from minidet.errors import InputError

JSON_NAME = "detections.json"

DESCRIPTION = """\
Find objects in images. IMAGE is a file, a folder (the pictures directly in it) or a quoted pattern such as
'photos/**/*.jpg'. Everything is read and checked before anything is written: when one image cannot be read,
nothing is written at all, and the one line on standard error names it.

By default the image is stretched to the network's input, as AlexeyAB's Darknet and OpenCV do, unless the cfg's
[net] says letter_box=1; --letterbox keeps its aspect ratio on gray, as pjreddie's Darknet does.
"""

EXAMPLES = """\
examples:
  minidet detect dog.jpg --cfg yolov3.cfg --weights yolov3.weights
  minidet detect photos/ --cfg yolov4-tiny.cfg --weights yolov4-tiny.weights --out found
  minidet detect dog.jpg --model yolov3 --weights yolov3.weights --letterbox --json > dog.json
  minidet detect smear.jpg --model blood-cells --out found
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet detect`."""
    parser = commands.add_parser(
        "detect",
        help="find objects in images",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file, folder, or quoted pattern")
    add_model_arguments(parser)
    add_detection_arguments(parser)
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help=f"write annotated pictures (NAME-detected.jpg or .png) and {JSON_NAME} there, replacing old ones",
    )
    group.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Detect in every image, and only then write: tables or JSON on standard output, files in `--out`."""
    from minidet.commands.outputs import check_folder, picture_names
    from minidet.detect import detect

    images = image_files(arguments.images)
    pictures = picture_names(images) if arguments.out else []
    if arguments.out:
        check_folder(arguments.out, [*pictures, JSON_NAME], images)
    model, names = load_detector(arguments)
    options = detection_options(arguments, model, names)
    plan = None if arguments.layers else plan_of(model)
    with progress("detecting", images) as steps:
        found = [detect(model, image, plan=plan, **options) for image in steps]
    document = _document(arguments, model, options, found)
    if arguments.out:
        _write(arguments.out, images, pictures, found, document)
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        _print_tables(found)
    if arguments.out:
        print(f"minidet: wrote {_count(len(images), 'picture')} and {JSON_NAME} to {arguments.out}", file=sys.stderr)
    return 0


def _document(
    arguments: argparse.Namespace, model: Any, options: dict[str, Any], found: list[Detections]
) -> dict[str, Any]:
    """All that was found, and what decided it, as plain values for JSON."""
    import minidet

    settings = {key: value for key, value in options.items() if key != "names"}
    return {
        "minidet": minidet.__version__,
        "network": {
            "cfg": arguments.cfg,
            "model": arguments.model,
            "weights": arguments.weights,
            "epsilon": arguments.epsilon,
            "height": model.size[0],
            "width": model.size[1],
            "device": arguments.device,
        },
        "settings": settings,
        "names": list(options["names"]),
        "images": [one.to_dict() for one in found],
    }


def _write(
    folder: Path, images: Sequence[Path], pictures: Sequence[str], found: Sequence[Detections], document: dict[str, Any]
) -> None:
    """The annotated pictures and the document into `folder`, all or none."""
    from minidet.commands.outputs import all_or_nothing, save_picture
    from minidet.files import write_text

    work = list(zip(images, pictures, found, strict=True))
    try:
        with all_or_nothing(folder) as stage, progress("drawing", work) as steps:
            for image, picture, detections in steps:
                save_picture(stage / picture, detections.draw(load_image(image)))
            write_text(stage / JSON_NAME, json.dumps(document, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written: {error.strerror or error}") from None


def _print_tables(found: Sequence[Detections]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for detections in found:
        # The heading by itself: a table's title is folded to the width of the table.
        console.print(detections.heading(), markup=False, soft_wrap=True)
        if len(detections):
            table = detections.table()
            table.title = None
            console.print(table)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
