"""COCO's JSON files as columns, straight: what is annotated (instances, person keypoints), and results there and back.

Numbers are taken as they stand: boxes stay x y width height, keypoints are not moved.  Images and classes are put in
the order of their numbers, as COCO's program has them.  The whole column is converted at once; where that fails, the
records are looked at one by one for the one to blame, and the message names the file and it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minidet.errors import InputError, one_line

from .columns import FoundColumns, TruthColumns, as_columns

if TYPE_CHECKING:
    from minidet_kernels.masks import Runs

PathLike = str | os.PathLike[str]
LFS = "version https://git-lfs"


@dataclass(frozen=True, eq=False)
class CocoIndex:
    """What the columns' numbers mean.

    images      (I,) int64, the id of each image, rising; ``sizes`` (I, 2) int64, height and width, 0 where not given.
    categories  (K,) int64, the id of each class, rising; ``names`` of them.
    keypoints   the names of the keypoints, of the first category that has some.
    """

    images: np.ndarray
    sizes: np.ndarray
    categories: np.ndarray
    names: tuple[str, ...]
    keypoints: tuple[str, ...] = ()


def read_truths(
    path: PathLike, *, masks: bool = False, keypoints: bool = False, rule: str = "coco"
) -> tuple[TruthColumns, CocoIndex]:
    """What a file of annotations says, with ``masks`` or ``keypoints`` if asked for.

    ``area`` is NaN where it is not given, ``iscrowd`` false, ``id`` the place in the file from 1.  Polygons are drawn
    by ``rule`` (``minidet_kernels.masks.from_polygons``): "coco", as COCO's program draws them, or "even_odd".

    Raises ``InputError`` that names the file and the record.
    """
    source = str(path)
    document = read_json(path)
    if not isinstance(document, dict):
        raise InputError(f"{source}: expected COCO annotations, an object, found {_kind(document)}")
    images, annotations, categories = (
        _Rows(document.get(key), source, what)
        for key, what in (("images", "image"), ("annotations", "annotation"), ("categories", "category"))
    )
    index = _index(images, categories)
    ids = annotations.optional("id", range(1, len(annotations.rows) + 1))
    columns: dict[str, Any] = as_columns(
        image=annotations.among("image_id", index.images, "image of the file"),
        label=annotations.among("category_id", index.categories, "category of the file"),
        boxes=annotations.numbers("bbox", 4, "[x, y, width, height]"),
        area=annotations.optional("area", [np.nan] * len(annotations.rows)),
        crowd=annotations.optional("iscrowd", [0] * len(annotations.rows)),
        difficult=np.zeros(len(annotations.rows), bool),
        ids=ids,
    )
    if masks:
        columns["masks"] = _masks(annotations, columns["image"], index, rule)
    if keypoints:
        count = 3 * len(index.keypoints) or None
        columns["keypoints"] = annotations.numbers("keypoints", count, "[x, y, visibility, ...]").reshape(
            len(annotations.rows), -1, 3
        )
    return TruthColumns(images=len(index.images), classes=len(index.categories), **columns), index


def read_found(path: PathLike, index: CocoIndex, *, masks: bool = False, keypoints: bool = False) -> FoundColumns:
    """The detections of a file of results, whose images and categories ``index`` knows (of ``read_truths``).

    With ``masks``, every result has a ``segmentation`` of runs, and the boxes are those around the masks, unless the
    results have a ``bbox``; with ``keypoints``, likewise.  Raises ``InputError`` that names the file and the result.
    """
    return found_in(read_json(path), index, source=str(path), masks=masks, keypoints=keypoints)


def found_in(
    results: Any, index: CocoIndex, *, source: str = "results", masks: bool = False, keypoints: bool = False
) -> FoundColumns:
    """As ``read_found``, of what is in such a file."""
    rows = _Rows(results, source, "result")
    n = len(rows.rows)
    columns: dict[str, Any] = as_columns(
        image=rows.among("image_id", index.images, "image of the annotations"),
        label=rows.among("category_id", index.categories, "category of the annotations"),
        scores=rows.numbers("score", 0, "a number"),
    )
    has_box = n > 0 and "bbox" in rows.rows[0] and rows.rows[0]["bbox"] != []
    if masks:
        columns["masks"] = _masks(rows, columns["image"], index, None)
    if keypoints:
        count = 3 * len(index.keypoints) or None
        numbers = rows.numbers("keypoints", count, "[x, y, anything, ...]")
        columns["keypoints"] = numbers.reshape(n, numbers.shape[1] // 3, 3)
    if has_box or not (masks or keypoints):
        columns["boxes"] = rows.numbers("bbox", 4, "[x, y, width, height]")
    elif masks:
        columns["boxes"] = _boxes_of_masks(columns["masks"], columns["image"])
    else:
        points = columns["keypoints"][:, :, :2]
        low = points.min(axis=1, initial=np.inf)
        columns["boxes"] = np.concatenate([low, points.max(axis=1, initial=-np.inf) - low], axis=1)
    return FoundColumns(**columns)


def results_of(found: FoundColumns, index: CocoIndex) -> list[dict[str, Any]]:
    """The results that a COCO file would hold: image_id, category_id, bbox, score, and what else there is."""
    from minidet_kernels.masks.strings import to_strings

    rows: list[dict[str, Any]] = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, box, score in zip(
            index.images[found.image].tolist(),
            index.categories[found.label].tolist(),
            found.boxes.tolist(),
            found.scores.tolist(),
            strict=True,
        )
    ]
    if found.masks is not None:
        texts = [iter(to_strings(one)) for one in found.masks]
        for row, image in zip(rows, found.image.tolist(), strict=True):
            row["segmentation"] = {"size": list(found.masks[image].size), "counts": next(texts[image])}
    if found.keypoints is not None:
        flat = found.keypoints.reshape(len(rows), math.prod(found.keypoints.shape[1:]))  # -1 would fail for no rows
        for row, points in zip(rows, flat.tolist(), strict=True):
            row["keypoints"] = points
    return rows


def write_found(path: PathLike, found: FoundColumns, index: CocoIndex) -> None:
    """Write ``results_of`` to a file, whole or not at all."""
    from minidet.files import write_text

    write_text(path, json.dumps(results_of(found, index), allow_nan=False))


# --- records ----------------------------------------------------------------------------------------------------------


def read_json(path: PathLike) -> Any:
    """What a JSON file holds.  Raises ``InputError``, one line naming the file, where it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected JSON in UTF-8, found byte {error.object[error.start]:#04x}") from None
    if text.startswith(LFS):
        raise InputError(f"{path}: a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'")
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError(f"{path}: malformed JSON: nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path}: malformed JSON: {one_line(error)}") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")


class _Rows:
    """Records of a file, ``what`` each of them is called, and columns of them."""

    def __init__(self, rows: Any, source: str, what: str) -> None:
        self.source, self.what = source, what
        if not isinstance(rows, list):
            plural = "categories" if what == "category" else f"{what}s"
            raise InputError(f"{source}: expected a list of {plural}, found {_kind(rows)}")
        self.rows: list[dict[str, Any]] = rows
        for n, row in enumerate(rows):
            if type(row) is not dict:
                self.fail(n, f"expected an object, found {_kind(row)}")

    def fail(self, n: int, why: str) -> NoReturn:
        """Raise what is wrong with record ``n``, which is named by its id where it has one."""
        row = self.rows[n]
        number = row.get("id") if isinstance(row, dict) and self.what != "result" else None
        name = f" (id {number})" if isinstance(number, int | str) else ""
        raise InputError(f"{self.source}: {self.what} {n}{name}: {why}")

    def _blame(self, check: Callable[[dict[str, Any]], str | None]) -> None:
        for n, row in enumerate(self.rows):
            if (why := check(row)) is not None:
                self.fail(n, why)

    def whole(self, key: str) -> np.ndarray:
        """A column of whole numbers, (N,) int64."""
        try:
            values = np.array([row[key] for row in self.rows])
            if values.dtype.kind in "iu" and values.ndim == 1:
                return values.astype(np.int64)
        except (KeyError, ValueError, TypeError, OverflowError):
            pass

        def check(row: dict[str, Any]) -> str | None:
            value = row.get(key)
            fine = type(value) is int and -(2**63) <= value < 2**63
            return None if fine else f"{key} must be a whole number, found {_short(row, key)}"

        self._blame(check)
        return np.array([row[key] for row in self.rows], np.int64)

    def among(self, key: str, known: np.ndarray, noun: str) -> np.ndarray:
        """Of a column of ids, the place of each in ``known``, which rise; (N,) int64."""
        values = self.whole(key)
        place = np.searchsorted(known, values)
        there = known[np.minimum(place, len(known) - 1)] == values if len(known) else np.zeros(len(place), bool)
        wrong = np.flatnonzero(~there)
        if len(wrong):
            self.fail(int(wrong[0]), f"{key} {values[wrong[0]]} is no {noun}")
        return place

    def numbers(self, key: str, count: int | None, form: str) -> np.ndarray:
        """A column of finite numbers: of lists of ``count`` (None: as many as the first has), or with 0 of numbers."""
        if count is None:
            first = self.rows[0].get(key) if self.rows else []
            count = max(3, len(first) - len(first) % 3) if isinstance(first, list) else 3
        shape = (len(self.rows), count) if count else (len(self.rows),)
        try:
            values = np.array([row[key] for row in self.rows] or np.zeros(shape))
            fine = values.dtype.kind in "iuf" and values.shape == shape and np.isfinite(values).all()
            if fine and (count or all(type(row[key]) in (float, int) for row in self.rows)):
                return values.astype(np.float64)
        except (KeyError, ValueError, TypeError):
            pass

        def check(row: dict[str, Any]) -> str | None:
            value = row.get(key)
            items = value if isinstance(value, list) else [value]
            fine = isinstance(value, list) == bool(count) and len(items) == max(1, count)
            fine = fine and all(type(item) in (int, float) for item in items)
            if fine and not np.isfinite(np.array(items, np.float64)).all():
                return f"{key} must be finite, found {_short(row, key)}"
            length = f" of {count} numbers" if count else ""
            return None if fine else f"{key} must be {form}{length}, found {_short(row, key)}"

        self._blame(check)
        return np.array([row[key] for row in self.rows], np.float64).reshape(shape)

    def optional(self, key: str, default: Sequence[Any] | range) -> np.ndarray:
        """A column of numbers of which any may be left out."""
        values = [row.get(key, other) for row, other in zip(self.rows, default, strict=True)]
        for n, value in enumerate(values):
            if type(value) not in (int, float, bool):
                self.fail(n, f"{key} must be a number, found {_short(self.rows[n], key)}")
            if abs(value) >= 2**63:
                self.fail(n, f"{key} must be below 2**63, found {_short(self.rows[n], key)}")
        return np.array(values)


def _short(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "none"
    text = one_line(json.dumps(row[key], ensure_ascii=True))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _index(images: _Rows, categories: _Rows) -> CocoIndex:
    ids, numbers = images.whole("id"), categories.whole("id")
    for rows, values in ((images, ids), (categories, numbers)):
        order = np.argsort(values, kind="stable")
        again = np.flatnonzero(np.diff(values[order]) == 0)
        if len(again):
            rows.fail(int(order[again[0] + 1]), "the same id as one before")
    sides = [images.optional(side, [0] * len(ids)).astype(np.int64) for side in ("height", "width")]
    for n in np.flatnonzero((sides[0] < 0) | (sides[1] < 0)).tolist():
        images.fail(n, "height and width must not be negative")
    order, by_number = np.argsort(ids), np.argsort(numbers)
    named = [row.get("name", f"class {number}") for row, number in zip(categories.rows, numbers, strict=True)]
    lists = (row["keypoints"] for row in categories.rows if isinstance(row.get("keypoints"), list))
    return CocoIndex(
        images=ids[order],
        sizes=np.stack(sides, axis=1)[order],
        categories=numbers[by_number],
        names=tuple(str(named[k]) for k in by_number),
        keypoints=tuple(map(str, next(lists, ()))),
    )


# --- masks ------------------------------------------------------------------------------------------------------------


def _masks(rows: _Rows, image: np.ndarray, index: CocoIndex, rule: str | None) -> list[Runs]:
    """The masks of each image in turn; with a ``rule`` polygons are drawn, without it they are refused."""
    from .coco_masks import MaskError, masks_of

    order = np.argsort(image, kind="stable")
    splits = np.concatenate([[0], np.cumsum(np.bincount(image, minlength=len(index.images)))])
    out = []
    for i, (h, w) in enumerate(index.sizes.tolist()):
        members = order[splits[i] : splits[i + 1]].tolist()
        try:
            out.append(masks_of([rows.rows[n].get("segmentation") for n in members], (h, w), rule))
        except MaskError as error:
            rows.fail(members[error.which], f"segmentation: {error}")
    return out


def _boxes_of_masks(masks: list[Runs], image: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) xywh around masks, in the order of the rows."""
    from minidet_kernels.masks.pairs import boxes

    out = np.zeros((len(image), 4))
    edges = np.concatenate([boxes(one) for one in masks]) if masks else np.zeros((0, 4))
    edges[:, 2:] -= edges[:, :2]
    out[np.argsort(image, kind="stable")] = edges
    return out
