"""A mask in a PNG file for each object, as in the Data Science Bowl of 2018.

    root/[stage1_train/]NAME/images/NAME.png   root/[stage1_train/]NAME/masks/*.png   root/[train.txt]

A mask has the picture's size; every pixel that is not black is the object's (transparency is not looked at).  The box
is the bounds of the mask.  Objects come in the order of their files' names.

**Classes.**  Masks that lie in ``masks`` itself are all of one class, "object" or the one name given; masks in folders
there are of the class that the folder is called: ``masks/nucleus/0001.png``.  The names are those given, else those in
``names.txt``, else all that occur, in alphabetical order.

**Splits.**  ``split="train"`` is ``train.txt`` with a NAME a line, or the folder ``train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from minidet_kernels.masks import Runs, bounds, encode

from minidet.errors import InputError

from ..dataset import Dataset, Objects, Record
from ..image import FORMATS, SUFFIXES, ImageError, load_image
from ..policy import Defect, Judge, Policy, Remark
from .boxes import sift
from .names import names_in
from .paths import Root
from .pictures import image_size
from .text import read_lines, strict

ONE = "object"  # the class of masks that are not in a folder of a class


def samples(root: Path) -> list[str]:
    """The folders with ``images`` and ``masks`` in them, at most two below ``root``, relative to it, sorted."""
    found = [path for pattern in ("*/masks", "*/*/masks") for path in root.glob(pattern)]
    return sorted(p.parent.relative_to(root).as_posix() for p in found if (p.parent / "images").is_dir())


def read(root: Path, *, split: str | None, policy: Policy, names: Sequence[str] | None) -> Dataset:
    """The data set in ``root``; raises ``InputError`` for what is wrong."""
    remarks: list[Remark] = []
    judge = policy.judge(remarks)
    every = samples(root)
    if not every:
        raise InputError(f"{root}: folders with the folders images and masks in them were expected, found none")
    names = class_names(root, every, names)
    records = []
    for number, sample in enumerate(split_samples(root, split, every, strict)):
        record = parse(root, sample, tuple(names), judge, number)
        if record is not None:
            records.append(record)
    return Dataset(root, tuple(names), tuple(records), remarks=tuple(remarks))


def class_names(root: Path, every: Sequence[str], names: Sequence[str] | None) -> tuple[str, ...]:
    """The names given, those that lie there, or those of the folders of masks."""
    found = tuple(names) if names is not None else names_in(root)
    if found is None:
        folders = {p.name for one in every for p in (root / one / "masks").iterdir() if p.is_dir()}
        found = tuple(sorted(folders)) or (ONE,)
    return found


def split_samples(root: Path, split: str | None, every: Sequence[str], judge: Judge) -> list[str]:
    """The samples of a split, in its order."""
    if split is None:
        return list(every)
    path = root / f"{split}.txt"
    inside = [one for one in every if one.startswith(f"{split}/")]
    if not path.is_file():
        if inside:
            return inside
        raise InputError(f"{root}: no split {split!r}: a list {split}.txt or a folder of that name was expected")
    by_name = {one.split("/")[-1]: one for one in every} | {one: one for one in every}
    chosen: list[str] = []
    for number, line in enumerate(read_lines(path, str(path), judge) or [], 1):
        text = line.strip()
        if text and text not in by_name:
            judge(Defect("malformed", str(path), number, f"there is no sample {text!r} in {root}"))
        elif text and by_name[text] in chosen:
            judge(Defect("duplicate-id", str(path), number, f"{text!r} stands in the list already"))
        elif text:
            chosen.append(by_name[text])
    return chosen


def files(root: Path, sample: str) -> tuple[list[str], list[str]]:
    """The pictures and the masks of a sample, relative to ``root``; masks sorted by their own name, then by class."""
    base = root / sample

    def found(folder: str, pattern: str) -> list[Path]:
        return [p for p in (base / folder).glob(pattern) if p.suffix.lower() in SUFFIXES and p.name[0] != "."]

    masks = sorted(found("masks", "*") + found("masks", "*/*"), key=lambda p: (p.name, p.parent.name))
    return [p.relative_to(root).as_posix() for p in sorted(found("images", "*"))], [
        p.relative_to(root).as_posix() for p in masks
    ]


def parse(root: Path, sample: str, names: tuple[str, ...], judge: Judge, number: int) -> Record | None:
    """The record of one sample; None when it has none and the judge goes on."""
    images, masks = files(root, sample)
    where = str(root / sample)
    if len(images) != 1:
        kind = "malformed" if images else "missing-image"
        judge(Defect(kind, where, 0, f"one picture was expected in images, found {len(images)}"))
        return None
    safe = Root(root)
    for path in (*images, *masks):
        reason = safe.refusal(path)
        if reason is not None:
            judge(Defect("unsafe-path", str(root / path), 0, reason))
            return None
    try:
        size = image_size(root / images[0])
    except ImageError as error:
        judge(Defect("not-an-image", where, 0, str(error)))
        return None
    found, labels, sources = [], [], []
    for path in masks:
        label = _label(root, path, names, judge)
        pixels = None if label is None else _pixels(root / path, size, judge)
        if label is not None and pixels is not None:
            found.append(encode(pixels[None]))
            labels.append(label)
            sources.append(str(root / path))
    runs = joined(found, size)
    boxes, keep = sift(bounds(runs), np.tile(size, (len(found), 1)), judge, lambda i: (sources[i], 0))
    objects = Objects(boxes, np.array(labels, np.int64), masks=runs)
    return Record(images[0], size, number, objects[keep], f"{sample}/masks")


def joined(parts: Sequence[Runs], size: tuple[int, int]) -> Runs:
    """The masks of all parts, one after the other."""
    counts = [part.counts for part in parts]
    lengths = np.concatenate([np.diff(part.splits) for part in parts]) if parts else np.zeros(0, np.int64)
    splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Runs(np.concatenate([np.zeros(0, np.int64), *counts]), splits, size)


def _label(root: Path, path: str, names: tuple[str, ...], judge: Judge) -> int | None:
    folder = Path(path).parent.name
    if folder == "masks" and len(names) == 1:
        return 0
    name = ONE if folder == "masks" else folder
    if name in names:
        return names.index(name)
    known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    what = "a mask in no folder of a class" if folder == "masks" else f"{name!r}"
    judge(Defect("unknown-class", str(root / path), 0, f"a class of {known} was expected, found {what}"))
    return None


def _pixels(path: Path, size: tuple[int, int], judge: Judge) -> np.ndarray | None:
    """The mask in a file, (H, W) bool; None after the judge has been told why there is none."""
    try:
        pixels: np.ndarray = _decode(path)
    except Exception:
        try:  # says what is wrong with it
            pixels = np.asarray(load_image(path).any(axis=2))
        except ImageError as error:
            judge(Defect("not-an-image", str(path), 0, str(error).removeprefix(f"{path}: ")))
            return None
    if pixels.shape != size:
        what = f"a mask of {size[1]}x{size[0]} was expected, found {pixels.shape[1]}x{pixels.shape[0]}"
        judge(Defect("malformed", str(path), 0, what))
        return None
    return pixels


def _decode(path: Path) -> np.ndarray:
    from PIL import Image

    Image.init()
    with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as picture:
        if picture.mode in ("1", "L", "I", "I;16", "I;16B"):
            return np.not_equal(np.asarray(picture), 0)
        return np.asarray(np.asarray(picture.convert("RGB")).any(axis=2))
