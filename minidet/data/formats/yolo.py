"""YOLO text: a file for each picture, a line for each object, in fractions of the picture's sides.

    root/images/a.jpg  root/labels/a.txt  root/names.txt       (also images/train/, labels/train/)
    root/train/images/a.jpg  root/train/labels/a.txt           (one folder for each split)
    root/a.jpg  root/a.txt  root/classes.txt                   (side by side)

A line is ``class cx cy width height`` or, for an outline, ``class x1 y1 x2 y2 x3 y3 ...``; classes count from 0, and
0 0 and 1 1 are the corners of the picture (of its pixels as a person sees them, turned as its EXIF data say).  The size
comes from the picture's header.

**Boxes** are edges: x1 = cx W - width W / 2.  What lies outside of the picture by less than a millionth of a side, as
the six digits of many programs make it, is put on its edge.  The box of an outline is its bounds; its mask is drawn by
the even-odd rule, and a picture has masks where all its objects are outlines.

**Classes.**  The names given, else those in ``names.txt``, ``classes.txt``, ``obj.names`` (or a plain ``data.yaml``).

**Splits.**  ``split="train"`` is ``images/train``, ``train/images`` or ``train.txt``, a list of pictures relative to
the root.  A picture without a file of labels has no objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from minidet.errors import InputError, one_line

from ..dataset import Dataset, Objects, Record
from ..image import SUFFIXES, ImageError
from ..policy import Defect, Judge, Policy, Remark
from .boxes import sift, twice
from .names import names_in, names_in_yaml
from .paths import Root, plain
from .pictures import Pictures, image_size
from .text import read_lines, strict

IMAGES, LABELS = "images", "labels"

#: Fraction of a side by which numbers of six digits may lead out of a picture.
ROUNDING = 1e-6


def pairs(root: Path) -> dict[str, tuple[str, str]]:
    """Split -> the folders of its pictures and labels, relative to ``root``; "" for those without a split."""
    if (root / IMAGES).is_dir() and (root / LABELS).is_dir():
        found = {"": (IMAGES, LABELS)}
        for folder in sorted((root / IMAGES).iterdir()):
            if folder.is_dir():
                found[folder.name] = (f"{IMAGES}/{folder.name}", f"{LABELS}/{folder.name}")
        return found
    both = [f for f in sorted(root.iterdir()) if (f / IMAGES).is_dir() and (f / LABELS).is_dir()]
    if both:
        return {f.name: (f"{f.name}/{IMAGES}", f"{f.name}/{LABELS}") for f in both}
    if any(p.suffix.lower() in SUFFIXES and p.with_suffix(".txt").is_file() for p in root.iterdir()):
        return {"": ("", "")}
    return {}


def read(root: Path, *, split: str | None, policy: Policy, names: Sequence[str] | None, masks: bool = True) -> Dataset:
    """The data set in ``root``; raises ``InputError`` for what is wrong."""
    remarks: list[Remark] = []
    judge = policy.judge(remarks)
    names = class_names(root, names)
    records: list[Record] = []
    for image, label in chosen(root, split):
        record = parse(root, image, label, tuple(names), judge, len(records), masks=masks)
        if record is not None:
            records.append(record)
    return Dataset(root, tuple(names), tuple(records), remarks=tuple(remarks))


def class_names(root: Path, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names given, or those that lie there; raises ``InputError`` where there are none."""
    folders = [root, *(root / folder for pair in pairs(root).values() for folder in pair)]
    found = tuple(names) if names is not None else names_in(*folders) or names_in_yaml(root)
    if found is None:
        raise InputError(f"{root}: the names of the classes were expected in names.txt, one a line, found no such file")
    return found


def chosen(root: Path, split: str | None) -> list[tuple[str, str]]:
    """The pictures and their files of labels, relative to ``root``, sorted, or in the order of a list."""
    known = pairs(root)
    if split is None:
        both = [known[""]] if "" in known else list(known.values())
    elif split in known and split:
        both = [known[split]]
    elif (root / f"{split}.txt").is_file():
        return _listed(root, root / f"{split}.txt")
    else:
        have = ", ".join(name for name in known if name) or "none"
        raise InputError(f"{root}: no split {split!r} ({IMAGES}/{split}, or a list {split}.txt); there are: {have}")
    return [
        (path, f"{labels}/{stem}.txt" if labels else f"{stem}.txt")
        for images, labels in both
        for stem, files in Pictures(root, images).files.items()
        for path in files
    ]


def _listed(root: Path, path: Path) -> list[tuple[str, str]]:
    safe, found, seen = Root(root), [], dict[str, int]()
    for number, line in enumerate(read_lines(path, str(path), strict) or [], 1):
        text = line.strip()
        if not text:
            continue
        text = text if safe.refusal(text) else plain(text)
        reason = safe.refusal(text)
        if reason is not None:
            raise InputError(f"{path}, line {number}: {reason}")
        if text in seen:
            raise InputError(f"{path}, line {number}: {text!r} stands in line {seen[text]} already")
        if not (root / text).is_file():
            raise InputError(f"{path}, line {number}: there is no picture {text!r} in {root}")
        seen[text] = number
        found.append((text, label_file(text)))
    return found


def label_file(image: str) -> str:
    """The labels of a picture by its path: the last ``images`` in it becomes ``labels``, the ending ``.txt``."""
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == IMAGES:
            parts[i] = LABELS
            break
    return "/".join(parts)


def parse(
    root: Path, image: str, label: str, names: tuple[str, ...], judge: Judge, number: int, *, masks: bool = True
) -> Record | None:
    """The record of one picture; None when it has none and the judge goes on."""
    safe = Root(root)
    for path in (image, label):
        reason = safe.refusal(path)
        if reason is not None:
            judge(Defect("unsafe-path", str(root / path), 0, reason))
            return None
    try:
        size = image_size(root / image)
    except ImageError as error:
        judge(Defect("not-an-image", str(root / image), 0, _without(str(error), root / image)))
        return None
    file = str(root / label)
    lines = read_lines(root / label, file, judge) if (root / label).exists() else []
    H, W = size
    boxes, labels, polygons, where = [], [], list[tuple[np.ndarray, ...] | None](), []
    for at, line in enumerate(lines or [], 1):
        words = line.split()
        if not words:
            continue
        row = _numbers(words)
        if isinstance(row, str):
            judge(Defect("malformed", file, at, row))
            continue
        if int(words[0]) >= len(names):
            known = f"0 to {len(names) - 1}"
            judge(Defect("unknown-class", file, at, f"a class from {known} was expected, found {words[0]}"))
            continue
        if len(row) == 4:
            cx, cy, w, h = row[0] * W, row[1] * H, row[2] * W, row[3] * H
            box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
            polygons.append(None)
        else:
            outline = np.array(row, np.float64).reshape(-1, 2) * [W, H]
            box = [*outline.min(axis=0).tolist(), *outline.max(axis=0).tolist()]
            polygons.append((outline,))
        boxes.append(box)
        labels.append(int(words[0]))
        where.append(at)
    found = _on_the_edge(np.array(boxes, np.float64).reshape(-1, 4), size)
    kept, keep = sift(found, np.tile(size, (len(found), 1)), judge, lambda i: (file, where[i]))
    twice(kept, np.array(labels), np.zeros(len(labels)), judge, lambda i: (file, where[i]))
    outlines = [one for one, stays in zip(polygons, keep, strict=True) if stays]
    runs = None
    if masks and outlines and all(one is not None for one in outlines):
        from minidet_kernels.masks.polygons import from_polygons

        flat = [[part.ravel() for part in one] for one in outlines if one is not None]
        try:
            runs = from_polygons(flat, size=size, rule="even_odd")
        except ValueError as error:
            judge(Defect("malformed", file, 0, one_line(error)))
    objects = Objects(
        kept[keep],
        np.array(labels, np.int64)[keep],
        masks=runs,
        polygons=tuple(outlines) if any(one is not None for one in outlines) else None,
    )
    return Record(image, size, number, objects, label)


def _numbers(words: Sequence[str]) -> list[float] | str:
    """The fractions in a line, four or the pairs of an outline; or what is wrong with it."""
    if not (words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10):
        return f"the number of a class was expected first, found {words[0][:40]!r}"
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        return f"a class and 4 numbers, or the pairs of an outline, were expected, found {len(words)} words"
    row = []
    for word in words[1:]:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not abs(value) < 1e6 or "_" in word:
            return f"a fraction of the picture's side was expected, found {word[:40]!r}"
        row.append(value)
    return row


def _on_the_edge(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Coordinates that rounding to six digits has led out of the picture, on its edge."""
    sides = np.array([size[1], size[0]] * 2, np.float64)
    clipped = np.clip(boxes, 0, sides)
    return np.where(np.abs(clipped - boxes) <= ROUNDING * sides, clipped, boxes)


def _without(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")
