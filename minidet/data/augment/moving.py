"""Pixels and what is in them, moved alike: a rectangle of a picture onto a rectangle of another.

Every transform that crops, pastes, stretches or shifts is made of ``Part``: whole pixels of a picture, resized onto
whole pixels of another.  Because both rectangles are whole, pixels and coordinates move by the same two numbers.

What becomes of the objects (``move``):

boxes       x' = (x - left of the source) * width of the target / width of the source + left of the target.
            With ``keep`` they are clipped to the target; without it nothing is clipped and nothing dropped.
masks       pixel i of m shows pixel floor((i + 1/2) n/m) of n.  By its centre, it lies in the moved box where the pixel
            it shows lay in the box.
keypoints   as boxes; one that leaves the target becomes 0, 0 with visibility 0.  Those with visibility 0 stay as they
            are: COCO writes zeros for them.
areas       NaN stays NaN.  Of an object that stays whole, times the scales of both axes; of one that is cut, the number
            of pixels of its mask, and NaN without masks.
truncated   that an object is cut is noted.  Polygons are dropped; the rest is carried along.

Which objects are kept in a part of a picture, by name:

keep="share"    those of whose box at least ``least`` of the area is seen
keep="centre"   those the centre of whose box is seen (on the right and lower edge it is not), of these too at least
                ``least`` of the area

In both something must be seen: an empty or inverted box goes, and a mask that had pixels and has none left.  The area
is that of the box as it was before, even where it lay outside of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from minidet_kernels.masks import areas

from ..dataset import Objects
from ..resize import resize_image
from .options import Fill
from .runs import concatenate, gather

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True)
class Part:
    """Whole pixels ``source`` of a picture of any size, resized onto ``target`` of one of ``size`` (h, w).

    Rectangles are (left, top, right, bottom) in pixels, exclusive ends, inside their picture, at least 1 x 1.
    """

    source: Rectangle
    target: Rectangle
    size: tuple[int, int]

    @classmethod
    def cropped(cls, source: Rectangle) -> Part:
        """The part alone, as it is."""
        width, height = source[2] - source[0], source[3] - source[1]
        return cls(source, (0, 0, width, height), (height, width))

    @classmethod
    def placed(
        cls, image: tuple[int, int], left: float, top: float, width: float, height: float, size: tuple[int, int]
    ) -> Part:
        """What is seen of a picture of ``image`` (H, W) stretched to ``width`` x ``height`` with a corner at left, top.

        Where an edge falls between two pixels it is rounded, half up, in the target and in the source.  At least a
        pixel is seen, even where none should be.
        """
        across = _seen(image[1], left, width, size[1])
        down = _seen(image[0], top, height, size[0])
        return cls((across[0], down[0], across[1], down[1]), (across[2], down[2], across[3], down[3]), size)

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Points (..., 2) or boxes (..., 4) of the picture as such of the other, float64."""
        pairs = xy.shape[-1] // 2
        left, top, right, bottom = self.source
        x, y, x2, y2 = self.target
        # Multiplied before divided: the edges of the source become exactly those of the target.
        scaled = (xy - [left, top] * pairs) * ([x2 - x, y2 - y] * pairs) / ([right - left, bottom - top] * pairs)
        return scaled + [x, y] * pairs

    def indices(self) -> tuple[np.ndarray, np.ndarray]:
        """The row that each row of the result shows and the column of each column, -1 outside: (h,) and (w,)."""
        rows, columns = (np.full(n, -1) for n in self.size)
        for axis, index in ((1, rows), (0, columns)):
            start, stop = self.target[axis], self.target[axis + 2]
            n, m = self.source[axis + 2] - self.source[axis], stop - start
            index[start:stop] = self.source[axis] + (2 * np.arange(m) + 1) * n // (2 * m)
        return rows, columns


def _seen(n: int, start: float, length: float, m: int) -> tuple[int, int, int, int]:
    """Of n pixels stretched to ``length`` from ``start``: which are seen of them, and where, on an axis of m pixels."""

    def whole(a: float, b: float, most: int) -> tuple[int, int]:
        # Limited before it is made whole: a length may be larger than any integer.
        first = min(max(int(np.floor(np.clip(a, 0, most) + 0.5)), 0), most - 1)
        return first, min(max(int(np.floor(np.clip(b, 0, most) + 0.5)), first + 1), most)

    length = max(length, 1e-9)
    first, last = whole(start, start + length, m)
    return *whole((first - start) * n / length, (last - start) * n / length, n), first, last


def levels(values: np.ndarray) -> np.ndarray:
    """Floating levels as uint8: limited to 0..255, then the nearest, a half up."""
    out = np.clip(values, 0, 255)
    out += 0.5
    return out.astype(np.uint8)


def resized(image: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """``image`` (H, W, 3) as ``size`` (h, w), uint8, a new array; ``method`` is one of ``resize.METHODS``."""
    if image.shape[:2] == size:
        return image.copy()
    out = resize_image(image, size, method=method)
    out += 0.5  # between two levels, up to rounding: no limits are needed
    return out.astype(np.uint8)


def canvas(size: tuple[int, int], fill: Fill) -> np.ndarray:
    """A picture (h, w, 3) uint8 of one colour."""
    out = np.empty((*size, 3), np.uint8)
    out[...] = fill
    return out


def paint(onto: np.ndarray, image: np.ndarray, part: Part, method: str = "half_pixel") -> None:
    """Write the pixels of ``part`` of ``image`` into ``onto``, a picture of ``part.size``."""
    (left, top, right, bottom), (x, y, x2, y2) = part.source, part.target
    onto[y:y2, x:x2] = resized(image[top:bottom, left:right], (y2 - y, x2 - x), method)


def move(objects: Objects, part: Part, keep: str | None = None, least: float = 0.0) -> Objects:
    """The objects that are in ``part``, where they are then; what is kept, and how, stands at the head of this file."""
    moved = part.points(objects.boxes)
    boxes = moved if keep is None else np.clip(moved, part.target[:2] * 2, part.target[2:] * 2)
    cut = (boxes != moved).any(axis=1)
    masks = None if objects.masks is None else gather(objects.masks, *part.indices())
    scale = np.prod(_sides(np.array(part.target))) / np.prod(_sides(np.array(part.source)))
    grown = objects.areas * scale
    counted = np.full(len(boxes), np.nan) if masks is None else areas(masks).astype(np.float64)
    after = replace(
        objects,
        boxes=boxes,
        masks=masks,
        keypoints=None if objects.keypoints is None else _keypoints(objects.keypoints, part, keep is not None),
        areas=np.where(cut & ~np.isnan(grown), counted, grown),
        truncated=objects.truncated | cut,
        polygons=None,
    )
    if keep is None:
        return after
    kept = seen(moved, boxes, part.target, keep, least)
    if objects.masks is not None and masks is not None:
        kept &= (areas(objects.masks) == 0) | (areas(masks) > 0)
    return after if kept.all() else after[kept]


def _sides(boxes: np.ndarray) -> np.ndarray:
    return boxes[..., 2:] - boxes[..., :2]


def seen(whole: np.ndarray, clipped: np.ndarray, frame: Rectangle, keep: str, least: float) -> np.ndarray:
    """Which boxes (N, 4) are kept, by ``keep`` and ``least``, when ``clipped`` is what lies in ``frame``: (N,) bool."""
    sides, rest = _sides(whole), _sides(clipped)
    kept = (rest > 0).all(axis=1)
    kept &= rest.prod(axis=1) >= least * sides.prod(axis=1)
    if keep == "centre":
        centre = (whole[:, :2] + whole[:, 2:]) / 2
        kept &= ((centre >= frame[:2]) & (centre < frame[2:])).all(axis=1)
    return kept


def _keypoints(keypoints: np.ndarray, part: Part, clip: bool) -> np.ndarray:
    labelled = keypoints[..., 2:] > 0  # (N, K, 1)
    xy = part.points(keypoints[..., :2])
    out = np.where(labelled, np.concatenate([xy, keypoints[..., 2:]], axis=-1), keypoints)
    if clip:
        inside = ((xy >= part.target[:2]) & (xy <= part.target[2:])).all(axis=-1, keepdims=True)
        out = np.where(labelled & ~inside, 0.0, out)
    return out


def together(parts: list[Objects]) -> Objects:
    """The objects of all parts, one after the other; ``ids`` stay as they are.

    Masks and keypoints only where every part that has objects has them.  ``parts`` is not empty.
    """
    filled = [p for p in parts if len(p)] or parts[:1]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in filled])
        for name in ("boxes", "labels", "crowd", "difficult", "areas", "ids", "truncated")
    }
    masks = [p.masks for p in filled if p.masks is not None]
    keypoints = [p.keypoints for p in filled if p.keypoints is not None]
    same = len({k.shape[1] for k in keypoints}) == 1
    return Objects(
        **joined,
        masks=concatenate(masks) if len(masks) == len(filled) else None,
        keypoints=np.concatenate(keypoints) if same and len(keypoints) == len(filled) else None,
    )
