"""A data set as YOLO text; what the numbers mean stands at the head of ``yolo``."""

from __future__ import annotations

from pathlib import Path

from minidet.errors import InputError

from ..dataset import Dataset, Objects
from . import writing
from .yolo import IMAGES, LABELS


def write(dataset: Dataset, folder: Path, *, images: str, split: str | None) -> writing.Written:
    """Write into the (temporary) ``folder``.  An object with a single outline is written as that, others as boxes.

    Fractions are written with all their digits, so that a coordinate comes back to within a few of its last bits.
    """
    part = f"/{split}" if split else ""
    outlines = 0
    for record, stem in zip(dataset, writing.stems(dataset.records), strict=True):
        size = writing.size_of(dataset, record)
        if not all(size):
            raise InputError(f"{record.path}: the picture's size was expected, found neither it nor the picture")
        target = folder / f"{IMAGES}{part}" / f"{stem}{writing.suffix(record)}"
        writing.put_picture(dataset, record, target, images)
        path = folder / f"{LABELS}{part}" / f"{stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [row(record.objects, i, size) for i in range(len(record.objects))]
        outlines += sum(single(record.objects, i) for i in range(len(record.objects)))
        path.write_text("".join(f"{line}\n" for line in rows), encoding="utf-8")
    for name in (IMAGES, LABELS):
        (folder / f"{name}{part}").mkdir(parents=True, exist_ok=True)
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in dataset.names), encoding="utf-8")
    lost = writing.lost(dataset, ())
    for what in ("mask", "polygons"):
        lost[what] -= outlines
    return writing.Written(folder, len(dataset), 0, +lost)


def single(objects: Objects, i: int) -> bool:
    """Whether an object has one outline, which a line can hold."""
    outlines = None if objects.polygons is None else objects.polygons[i]
    return outlines is not None and len(outlines) == 1 and len(outlines[0]) >= 3


def row(objects: Objects, i: int, size: tuple[int, int]) -> str:
    """The line of an object."""
    H, W = size
    if single(objects, i):
        outlines = objects.polygons[i] if objects.polygons is not None else None
        assert outlines is not None
        numbers = (outlines[0] / [W, H]).ravel().tolist()
    else:
        x1, y1, x2, y2 = objects.boxes[i].tolist()
        numbers = [(x1 + x2) / 2 / W, (y1 + y2) / 2 / H, (x2 - x1) / W, (y2 - y1) / H]
    return " ".join([str(int(objects.labels[i])), *(writing.number(value) for value in numbers)])
