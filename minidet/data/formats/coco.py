"""COCO JSON: one file for all pictures, with boxes, polygons, runs, crowds and keypoints.

    root/annotations/instances_train.json   root/train/... or root/images/...

**Boxes** are x, y, width, height of edges in pixels, as here: x2 = x + width, rounded once.

**Keypoints** are numbers of pixels: the centre of the first pixel is 0, 0.  Here they are edge coordinates as all
others, so 1/2 is added to x and y of those that are labelled (visibility above 0), and taken off when written; what is
not stays as it is (0, 0, 0).  ``num_keypoints`` is not read, and is counted when written.

**Masks.**  Polygons are kept as they are, and drawn by COCO's own rule when masks are asked for; runs, compressed or
not, are taken as they are.  An image has masks where each of its objects has one.  An object without a ``bbox`` gets
the bounds of its mask.

**Classes** are the categories in the order of their ids, so that splits agree; or the names given, in their order.

**Pictures.**  ``file_name`` is relative to a folder that the file does not name: the data root is the one given, else
the first of these where the first picture lies: beside the file (above, where its folder is called ``annotations``),
``images`` there, a folder named as a part of the file's name (``val2014``), and those in ``images``.

``difficult`` and ``truncated``, which COCO does not know, are read and written as keys of their own where they are 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.masks import Runs, bounds, from_coco

from minidet.errors import InputError, one_line

from ..dataset import Dataset, Objects, Record
from ..policy import Defect, Judge, Policy, Remark
from .boxes import sift, twice
from .json_lines import Document, read_json
from .masks import joined
from .paths import Root, plain

#: Coordinates are smaller than this, as the rasteriser wants them.
FAR = 2.0**28


def find(path: Path, split: str | None) -> Path:
    """The JSON file of a data set: ``path`` itself, or in a folder the one of the split."""
    if path.is_file():
        if split is not None:
            raise InputError(f"{path}: a file has no splits; leave {split!r} out, or name the folder")
        return path
    files = json_files(path)
    if split is not None:
        wanted = [f for f in files if split in (f.stem, *f.stem.split("_"), f.parent.name)]
        if len(wanted) != 1:
            have = ", ".join(f.relative_to(path).as_posix() for f in (wanted or files)) or "none"
            raise InputError(f"{path}: one JSON file for split {split!r} was expected, found {have}")
        return wanted[0]
    if len(files) != 1:
        have = ", ".join(f.relative_to(path).as_posix() for f in files) or "none"
        raise InputError(f"{path}: one JSON file was expected, found {have}; name one of them, or a split")
    return files[0]


def json_files(root: Path) -> list[Path]:
    """The JSON files of annotations under ``root``."""
    return sorted([*root.glob("*.json"), *root.glob("annotations/*.json"), *root.glob("*/_annotations.coco.json")])


def read(
    path: Path,
    *,
    split: str | None,
    policy: Policy,
    names: Sequence[str] | None,
    masks: bool = True,
    images: Path | None = None,
) -> Dataset:
    """The data set of the file, or of the folder, ``path``; ``images``: the folder of the pictures."""
    remarks: list[Remark] = []
    path = find(path, split)
    dataset = parse(path, policy.judge(remarks), names=names, masks=masks, images=images)
    if dataset is None:  # a judge that goes on was told; this one raises
        raise InputError(f"{path}: cannot be read")
    return Dataset(
        dataset.root, dataset.names, dataset.records, dataset.category_ids, dataset.keypoint_names, dataset.skeleton,
        tuple(remarks),
    )  # fmt: skip


def parse(
    path: Path,
    judge: Judge,
    *,
    names: Sequence[str] | None = None,
    masks: bool = True,
    images: Path | None = None,
    lines: dict[int, int] | None = None,
) -> Dataset | None:
    """As ``read``, telling the judge of everything; None where nothing can be made of the file.

    ``lines`` is filled with the line of each image, by its id.
    """
    file = str(path)
    document = read_json(path, file, judge)
    if document is None:
        return None
    reader = _Reader(document, file, judge)
    lists = {key: reader.rows(key) for key in ("images", "annotations", "categories")}
    categories = reader.categories(lists["categories"], names)
    pictures = reader.images(lists["images"])
    root = images or image_root(path, next((one.path for one in pictures.values()), None))
    safe = Root(root)
    for one in list(pictures.values()):
        reason = safe.refusal(one.path)
        if reason is not None:
            reader.tell("unsafe-path", "images", one.index, f"file_name: {reason}")
            del pictures[one.id]
    if lines is not None:
        lines.update({number: document.line("images", one.index) for number, one in pictures.items()})
    reader.annotations(lists["annotations"], pictures, categories)
    masked = masks and any(row.segmentation is not None for one in pictures.values() for row in one.rows)
    records = tuple(reader.record(one, categories, masked) for one in pictures.values())
    return Dataset(
        root, categories.names, records, categories.ids, tuple(categories.keypoints), tuple(categories.skeleton)
    )


def image_root(path: Path, first: str | None) -> Path:
    """The folder that the pictures' names are relative to."""
    base = path.parent.parent if path.parent.name == "annotations" else path.parent
    parts = [base, path.parent, base / "images"]
    parts += [
        folder / word for folder in (base, base / "images") for word in (path.stem, *path.stem.split("_")) if word
    ]
    if first is not None:
        for folder in parts:
            try:
                if (folder / first).exists():
                    return folder
            except OSError:  # a name that is too long
                break
    return base


@dataclass
class _Categories:
    names: tuple[str, ...]
    ids: tuple[int, ...]
    label: dict[int, int]
    told: dict[int, str]  # of every category, also of those without a label
    keypoints: list[str] = field(default_factory=list)
    skeleton: list[tuple[int, int]] = field(default_factory=list)
    with_keypoints: set[int] = field(default_factory=set)


@dataclass
class _Row:
    """One annotation that is kept so far."""

    index: int
    id: int
    label: int
    box: list[float] | None
    crowd: bool
    difficult: bool
    truncated: bool
    area: float
    segmentation: Any
    keypoints: list[list[float]] | None


@dataclass
class _Picture:
    index: int
    id: int
    path: str
    size: tuple[int, int]
    rows: list[_Row] = field(default_factory=list)


class _WrongError(Exception):
    """What is wrong with an annotation."""


class _Reader:
    """The lists of one document; what is wrong is told with the record and the line."""

    def __init__(self, document: Document, file: str, judge: Judge) -> None:
        self.document, self.file, self.judge = document, file, judge

    def tell(self, kind: str, key: str, index: int, what: str, *, lines: bool = True) -> str:
        """Tell the judge of a record; finding lines takes as long as reading the file, once."""
        one = self.document.value[key][index]
        number = f" (id {one['id']})" if isinstance(one, dict) and isinstance(one.get("id"), int) else ""
        line = self.document.line(key, index) if lines else 0
        return self.judge(Defect(kind, self.file, line, f"{key}[{index}]{number}: {what}"))

    def rows(self, key: str) -> list[tuple[int, dict[str, Any]]]:
        """The objects in the list at ``key``, with their numbers."""
        value = self.document.value.get(key)
        if not isinstance(value, list):
            found = "no such key" if key not in self.document.value else type(value).__name__
            self.judge(Defect("malformed", self.file, 0, f"a list {key!r} was expected at the top, found {found}"))
            return []
        kept = []
        for index, one in enumerate(value):
            if isinstance(one, dict):
                kept.append((index, one))
            else:
                self.tell("malformed", key, index, f"an object {{...}} was expected, found {_short(one)}")
        return kept

    def _id(self, key: str, index: int, one: dict[str, Any], name: str = "id") -> int | None:
        value = one.get(name)
        if isinstance(value, int) and _is_integer(value):
            return value
        self.tell("malformed", key, index, f"{name}: an integer was expected, found {_found(one, name)}")
        return None

    def categories(self, rows: list[tuple[int, dict[str, Any]]], names: Sequence[str] | None) -> _Categories:
        """The classes, and what their keypoints are called."""
        found: dict[int, tuple[str, dict[str, Any], int]] = {}
        taken: set[str] = set()
        for index, one in rows:
            number, name = self._id("categories", index, one), one.get("name")
            if number is None:
                continue
            if not isinstance(name, str) or not name:
                self.tell("malformed", "categories", index, f"name: text was expected, found {_found(one, 'name')}")
            elif number in found or name in taken:
                self.tell("duplicate-id", "categories", index, f"id {number} or name {name!r} is there already")
            else:
                found[number] = (name, one, index)
                taken.add(name)
        ids = sorted(found)
        if names is not None:
            by_name = {found[number][0]: number for number in ids}
            free = iter(range(max([*ids, 0]) + 1, max([*ids, 0]) + 1 + len(names)))
            ids = [by_name[name] if name in by_name else next(free) for name in names]
        else:
            names = [found[number][0] for number in ids]
        result = _Categories(
            tuple(names), tuple(ids), {n: i for i, n in enumerate(ids)}, {n: f[0] for n, f in found.items()}
        )
        for number, (_, one, index) in found.items():
            self._keypoints(result, number, one, index)
        return result

    def _keypoints(self, result: _Categories, number: int, one: dict[str, Any], index: int) -> None:
        names, lines = one.get("keypoints"), one.get("skeleton", [])
        if not names:
            return
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.tell("malformed", "categories", index, f"keypoints: names were expected, found {_short(names)}")
            return
        if result.keypoints and result.keypoints != names:
            self.tell("malformed", "categories", index, "keypoints: other names than another category's")
            return
        pairs = lines if isinstance(lines, list) else [lines]
        for pair in pairs:
            right = isinstance(pair, list) and len(pair) == 2 and all(_is_integer(k) for k in pair)
            if not right or not all(1 <= k <= len(names) for k in pair):
                self.tell("malformed", "categories", index, f"skeleton: pairs of 1..{len(names)}, found {_short(pair)}")
                return
        result.keypoints = list(names)
        result.skeleton = [(int(a) - 1, int(b) - 1) for a, b in pairs]
        result.with_keypoints.add(number)

    def images(self, rows: list[tuple[int, dict[str, Any]]]) -> dict[int, _Picture]:
        """The pictures by id, in the order of the file."""
        found: dict[int, _Picture] = {}
        for index, one in rows:
            number = self._id("images", index, one)
            path = one.get("file_name")
            size = tuple(one.get(side, 0) for side in ("height", "width"))
            if number is None:
                continue
            if number in found:
                self.tell("duplicate-id", "images", index, f"images[{found[number].index}] has that id already")
            elif not isinstance(path, str):
                self.tell(
                    "malformed", "images", index, f"file_name: text was expected, found {_found(one, 'file_name')}"
                )
            elif not all(_is_integer(side) and 0 <= side < 2**31 for side in size):
                found_size = f"{_short(size[1])} and {_short(size[0])}"
                self.tell("malformed", "images", index, f"width and height: whole numbers, found {found_size}")
            else:
                clean = plain(path) if path else path
                found[number] = _Picture(index, number, clean, (int(size[0]), int(size[1])))
        return found

    def annotations(
        self, rows: list[tuple[int, dict[str, Any]]], pictures: dict[int, _Picture], categories: _Categories
    ) -> None:
        """Every annotation to its picture, in order, boxes looked at all together."""
        kept: list[tuple[_Picture, _Row]] = []
        seen: dict[int, int] = {}
        for index, one in rows:
            try:
                row = self._row(index, one, categories, len(categories.keypoints))
            except _WrongError as error:
                self.tell("malformed", "annotations", index, str(error))
                continue
            if row is None:
                continue
            image = one.get("image_id")
            if not _is_integer(image) or image not in pictures:
                self.tell("malformed", "annotations", index, f"image_id: no image has the id {_found(one, 'image_id')}")
                continue
            if seen.setdefault(row.id, index) != index:
                what = f"annotations[{seen[row.id]}] has that id already"
                self.tell("duplicate-annotation", "annotations", index, what)
            kept.append((pictures[image], row))
        with_box = [(picture, row) for picture, row in kept if row.box is not None]
        boxes = np.array([row.box for _, row in with_box], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        sizes = np.array([picture.size for picture, _ in with_box], np.float64).reshape(-1, 2)

        def where(i: int) -> tuple[str, int]:
            return self.file, self.document.line("annotations", with_box[i][1].index)

        boxes, keep = sift(boxes, sizes, self.judge, where)
        of = np.array([picture.index for picture, _ in with_box])
        twice(boxes, np.array([row.label for _, row in with_box]), of, self.judge, where)
        dropped = {id(row) for (_, row), stays in zip(with_box, keep, strict=True) if not stays}
        for (_, row), box in zip(with_box, boxes, strict=True):
            row.box = box.tolist()
        for picture, row in kept:
            if id(row) not in dropped:
                picture.rows.append(row)

    def _row(self, index: int, one: dict[str, Any], categories: _Categories, points: int) -> _Row | None:
        """An annotation; None where the judge has been told.  Raises ``_WrongError`` with what is wrong in it."""
        number = index + 1 if "id" not in one else self._id("annotations", index, one)
        category = self._id("annotations", index, one, "category_id")
        if number is None or category is None:
            return None
        if category not in categories.label:
            named = categories.told.get(category)
            called = f"{named!r}" if named else f"category_id {category}, which is not among the categories"
            self.tell("unknown-class", "annotations", index, f"a class of the names was expected, found {called}")
            return None
        flags = []
        for name in ("iscrowd", "difficult", "truncated"):
            value = one.get(name, 0)
            if not (isinstance(value, bool | int | float) and value in (0, 1)):
                raise _WrongError(f"{name}: 0 or 1 was expected, found {_short(value)}")
            flags.append(bool(value))
        box, segmentation, area = one.get("bbox"), one.get("segmentation"), one.get("area")
        segmentation = None if segmentation in ([], {}, "", None) else segmentation
        if box is None and segmentation is None:
            raise _WrongError("a bbox or a segmentation was expected, found neither")
        if box is not None and not _are_numbers(box, 4):
            raise _WrongError(f"bbox: four numbers x, y, width, height were expected, found {_short(box)}")
        if area is not None and not _is_number(area):
            raise _WrongError(f"area: a number was expected, found {_short(area)}")
        if segmentation is not None and (why := _wrong_segmentation(segmentation)):
            raise _WrongError(f"segmentation: {why}")
        keypoints = None
        if points:
            flat = one.get("keypoints")
            if flat is None or (flat == [] and category not in categories.with_keypoints):
                flat = [0] * (3 * points)
            if not _are_numbers(flat, 3 * points) or any(v not in (0, 1, 2) for v in flat[2::3]):
                what = f"{points} times x, y and visibility 0, 1 or 2"
                raise _WrongError(f"keypoints: {what} were expected, found {_short(flat)}")
            keypoints = [[float(n) for n in flat[3 * k : 3 * k + 3]] for k in range(points)]
        for flag, kind in ((flags[0], "crowd"), (flags[1], "difficult")):
            if flag and self.tell(kind, "annotations", index, f"is marked as {kind}", lines=False) == "drop":
                return None
        return _Row(
            index, number, categories.label[category], None if box is None else [float(n) for n in box], flags[0],
            flags[1], flags[2], math.nan if area is None else float(area), segmentation, keypoints,
        )  # fmt: skip

    def record(self, picture: _Picture, categories: _Categories, masked: bool) -> Record:
        """The record of a picture whose annotations are known."""
        rows = picture.rows
        wanted = [i for i, row in enumerate(rows) if masked or row.box is None]
        runs: list[Runs | None] = [None] * len(rows)
        together = self._together(picture, rows) if len(wanted) == len(rows) else None
        if together is None:
            for i, one in zip(wanted, self._masks(picture, [rows[i] for i in wanted]), strict=True):
                runs[i] = one
                if rows[i].box is None:
                    rows[i].box = bounds(one)[0].tolist() if one is not None else [0.0] * 4
        elif any(row.box is None for row in rows):
            for row, box in zip(rows, bounds(together).tolist(), strict=True):
                row.box = box if row.box is None else row.box
        masks = None
        if masked and together is not None:
            masks = together
        elif masked and all(one is not None for one in runs):
            masks = joined([one for one in runs if one is not None], picture.size)
        elif masked:
            without = next(row for row, one in zip(rows, runs, strict=True) if one is None)
            self.tell("no-mask", "annotations", without.index, "others in the picture have a segmentation")
        points = None
        if categories.keypoints:
            points = np.array([row.keypoints for row in rows], np.float64).reshape(-1, len(categories.keypoints), 3)
            points[..., :2] += np.where(points[..., 2:] > 0, 0.5, 0.0)
        outlines = [_outlines(row.segmentation) for row in rows]
        objects = Objects(
            np.array([row.box for row in rows], np.float64).reshape(-1, 4),
            np.array([row.label for row in rows], np.int64),
            np.array([row.crowd for row in rows], bool),
            np.array([row.difficult for row in rows], bool),
            np.array([row.area for row in rows], np.float64),
            np.array([row.id for row in rows], np.int64),
            masks,
            points,
            np.array([row.truncated for row in rows], bool),
            tuple(outlines) if any(one is not None for one in outlines) else None,
        )
        line = self.document.line("images", picture.index) if "\n" in self.document.text[:4096] else 0
        source = f"{Path(self.file).name}, " + (f"line {line}" if line else f"images[{picture.index}]")
        return Record(picture.path, picture.size, picture.id, objects, source)

    def _together(self, picture: _Picture, rows: Sequence[_Row]) -> Runs | None:
        """The masks of all rows where they are of one kind and right; None where they have to be looked at singly."""
        if not all(picture.size) or not rows or len({type(row.segmentation) for row in rows}) != 1:
            return None
        try:
            return None if rows[0].segmentation is None else _runs([row.segmentation for row in rows], picture.size)
        except (ValueError, TypeError, OverflowError):
            return None

    def _masks(self, picture: _Picture, rows: Sequence[_Row]) -> list[Runs | None]:
        """The mask of each of the rows, None for one without, or with one that cannot be made."""
        found: list[Runs | None] = [None] * len(rows)
        with_mask = [i for i, row in enumerate(rows) if row.segmentation is not None]
        if with_mask and not all(picture.size):
            what = "segmentation: a mask needs the image's width and height"
            self.tell("malformed", "annotations", rows[with_mask[0]].index, what)
            return found
        for kind in (dict, list):
            chosen = [i for i in with_mask if isinstance(rows[i].segmentation, kind)]
            try:
                together = _runs([rows[i].segmentation for i in chosen], picture.size)
                parts: list[Runs | None] = [together.take(np.array([k])) for k in range(len(chosen))]
            except (ValueError, TypeError, OverflowError):  # which of them?
                parts = [self._mask(rows[i], picture.size) for i in chosen]
            for i, part in zip(chosen, parts, strict=True):
                found[i] = part
        return found

    def _mask(self, row: _Row, size: tuple[int, int]) -> Runs | None:
        try:
            return _runs([row.segmentation], size)
        except (ValueError, TypeError, OverflowError) as error:
            self.tell("malformed", "annotations", row.index, f"segmentation: {one_line(error)}")
            return None


def _runs(segmentations: list[Any], size: tuple[int, int]) -> Runs:
    """Masks all given as runs, or all as polygons."""
    if segmentations and isinstance(segmentations[0], list):
        from minidet_kernels.masks.polygons import from_polygons

        return from_polygons(segmentations, size=size, rule="coco")
    return from_coco(segmentations, size=size)


def _outlines(segmentation: Any) -> tuple[np.ndarray, ...] | None:
    if not isinstance(segmentation, list):
        return None
    return tuple(np.array(one, np.float64).reshape(-1, 2) for one in segmentation)


def _wrong_segmentation(value: Any) -> str | None:
    """What is wrong with the form of a segmentation, None if nothing is; the runs themselves are not looked at."""
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and all(_is_integer(n) and n >= 0 for n in size)):
            return f"runs with a size [height, width] were expected, found {_short(size)}"
        if not (isinstance(counts, str) or (isinstance(counts, list) and all(_is_integer(n) for n in counts))):
            return f"runs with counts, a text or a list of integers, were expected, found {_short(counts)}"
        return None
    if not isinstance(value, list):
        return f"polygons or runs were expected, found {_short(value)}"
    for one in value:
        if not isinstance(one, list) or len(one) < 6 or len(one) % 2 or not {*map(type, one)} <= {int, float}:
            return f"polygons x0, y0, x1, y1, x2, y2, ... were expected, found {_short(one)}"
        if not -FAR < min(one) <= max(one) < FAR:
            return f"coordinates below {FAR:.0f} were expected, found {max(map(abs, one)):g}"
    return None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300  # also an integer that no float holds


def _are_numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(_is_number(n) for n in value)


def _found(one: dict[str, Any], name: str) -> str:
    return _short(one[name]) if name in one else "nothing"


def _short(value: Any) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
