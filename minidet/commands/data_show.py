"""`minidet data show`: pictures with what is annotated drawn on them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidet.commands.bar import progress
from minidet.commands.data_source import add_source, read_source, say
from minidet.errors import InputError

DESCRIPTION = """\
Draw boxes, masks and keypoints as they are annotated on the pictures of a data set.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data show`."""
    parser = commands.add_parser("show", help="draw what is annotated", description=DESCRIPTION)
    add_source(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the pictures")
    add_choice(parser, 20)
    parser.set_defaults(run=run)


def add_choice(parser: argparse.ArgumentParser, count: int) -> None:
    """`--count` and `--seed`: how many pictures, and which."""
    parser.add_argument("--count", type=int, default=count, metavar="N", help="at most so many (default: %(default)s)")
    parser.add_argument("--seed", type=int, metavar="N", help="draw which ones (default: the first)")


def chosen(arguments: argparse.Namespace, dataset: Any) -> Any:
    """The part of the data set that `--count` and `--seed` say."""
    if arguments.count < 1 or (arguments.seed is not None and arguments.seed < 0):
        raise InputError(f"--count from 1 and --seed from 0 were expected, found {arguments.count}, {arguments.seed}")
    which = np.arange(len(dataset))
    if arguments.seed is not None:
        which = np.sort(np.random.default_rng(arguments.seed).permutation(which)[: arguments.count])
    return dataset.subset(which[: arguments.count])


def picture_names(part: Any, what: str) -> list[str]:
    """A file name for each picture of a data set, such as `dog-annotated.jpg`."""
    from minidet.data.formats.writing import stems, suffix

    return [
        f"{stem.replace('/', '_')}-{what}{'.png' if suffix(record).lower() == '.png' else '.jpg'}"
        for stem, record in zip(stems(part.records), part, strict=True)
    ]


def run(arguments: argparse.Namespace) -> int:
    """Draw, and write all or none."""
    from minidet.commands.outputs import all_or_nothing, check_folder, save_picture

    part = chosen(arguments, read_source(arguments, with_masks=True))
    names = picture_names(part, "annotated")
    check_folder(arguments.out, names, [part.root / record.path for record in part])
    try:
        with all_or_nothing(arguments.out) as stage, progress("drawing", names) as steps:
            for i, name in enumerate(steps):
                picture = draw_objects(part.image(i), part.records[i].objects, part.names, part.skeleton)
                save_picture(stage / name, picture)
    except OSError as error:
        raise InputError(f"--out {arguments.out}: cannot be written: {error.strerror or error}") from None
    say(f"wrote {len(names)} pictures to {arguments.out}")
    return 0


def draw_objects(
    image: np.ndarray, objects: Any, names: Sequence[str], skeleton: Sequence[tuple[int, int]] = ()
) -> np.ndarray:
    """A copy of ``image`` (H, W, 3) uint8 with masks tinted, outlines, keypoints, boxes and names drawn on it."""
    from minidet_kernels.masks import decode
    from PIL import Image, ImageDraw

    from minidet.detections import Detections
    from minidet.draw import class_colour, draw, line_width

    H, W = image.shape[:2]
    one = len(names) == 1  # no names then, and colours for the objects instead
    colours = [class_colour(i if one else label) for i, label in enumerate(objects.labels.tolist())]
    pixels = image.astype(np.float32)
    if objects.masks is not None and objects.masks.size == (H, W):
        for i, colour in enumerate(colours):
            mask = decode(objects.masks.take(np.array([i])))[0]
            pixels[mask] = 0.55 * pixels[mask] + 0.45 * np.array(colour, np.float32)
    picture = Image.fromarray(np.rint(pixels).astype(np.uint8))
    canvas, width = ImageDraw.Draw(picture), line_width((H, W))
    for i, colour in enumerate(colours):
        for outline in (objects.polygons[i] if objects.polygons is not None else None) or ():
            if len(outline) > 1:
                canvas.line([tuple(p) for p in (*outline.tolist(), outline[0].tolist())], fill=colour, width=width)
        if objects.keypoints is not None:
            points = objects.keypoints[i].tolist()
            for a, b in skeleton:
                if points[a][2] > 0 and points[b][2] > 0:
                    canvas.line([tuple(points[a][:2]), tuple(points[b][:2])], fill=colour, width=width)
            for x, y, seen in points:
                if seen > 0:
                    r = 2 * width
                    canvas.ellipse((x - r, y - r, x + r, y + r), fill=colour if seen > 1 else None, outline=colour)
    boxes = objects.boxes
    upright = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    found = Detections(upright, np.ones(len(boxes)), objects.labels, names, (H, W))
    return draw(np.array(picture), found, scores=False, names=not one)
