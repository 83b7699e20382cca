"""Names of the classes of well-known data sets, and files of names (one a line)."""

from __future__ import annotations

import os
from pathlib import Path

from minidet.errors import InputError

# The 80 object classes of COCO 2014 in Darknet's order and spelling (its data/coco.names); the order is that of the
# category ids in COCO's own annotation files, which leave out 11 numbers of 1..90.
COCO_NAMES = (
    "person", "bicycle", "car", "motorbike", "aeroplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "sofa", "pottedplant", "bed", "diningtable", "toilet",
    "tvmonitor", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

_NOT_IN_COCO_2014 = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}

# COCO's category id of each of the 80 classes: 1..90 without the ids that have no annotations.
COCO_CATEGORY_IDS = tuple(number for number in range(1, 91) if number not in _NOT_IN_COCO_2014)

# The 20 classes of PASCAL VOC 2007-2012, in alphabetical order as in its development kit (and Darknet's
# data/voc.names).
VOC_NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

# COCO's categories by their number, 1 to 90, in COCO's own spelling: the names of networks that count "nothing" and
# all numbers as 91 classes (torchvision's). Ten of them have no annotations (Lin et al., "Microsoft COCO", 2014,
# appendix II).
COCO_CATEGORIES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "street sign", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep",
    "cow", "elephant", "bear", "zebra", "giraffe", "hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag",
    "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
    "skateboard", "surfboard", "tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon",
    "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "mirror", "dining table", "window", "desk", "toilet", "door", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator",
    "blender", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


def default_names(classes: int) -> tuple[str, ...]:
    """Names for `classes` classes: COCO's for 80 and, by number, for 90, VOC's for 20, else "class 0", "class 1"."""
    for names in (COCO_NAMES, COCO_CATEGORIES, VOC_NAMES):
        if classes == len(names):
            return names
    return tuple(f"class {label}" for label in range(classes))


def read_names(path: str | os.PathLike[str], classes: int | None = None) -> tuple[str, ...]:
    """The names in a text file, one a line, blank lines at the end left out.

    Raises `InputError` when the file cannot be read as text, has an empty line between names, or when `classes` is
    given and differs from their number.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the names file cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: a names file in UTF-8 was expected, found byte {error.object[error.start]:#04x}"
        ) from None
    lines = [line.strip() for line in text.rstrip().splitlines()]
    for number, line in enumerate(lines, start=1):
        if not line or not line.isprintable():
            raise InputError(f"{path}, line {number}: a class name was expected, found {line!r}")
    if not lines:
        raise InputError(f"{path}: one class name a line was expected, found none")
    if classes is not None and len(lines) != classes:
        raise InputError(f"{path}: {classes} names were expected, one for each class of the model, found {len(lines)}")
    return tuple(lines)
