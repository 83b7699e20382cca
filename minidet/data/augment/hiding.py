"""Objects of which something is painted over.

The share that is still seen is that of the pixels of the mask where there is one that has pixels, otherwise of the area
of the box, exactly, also where its edges lie between pixels.  What is hidden leaves the mask; the box stays, or with
``tighten`` moves in to what is left of the mask.  ``keep`` and ``least`` are as in ``moving``, the centre being hidden
or not.  The annotated area of an object of which something is hidden becomes the number of pixels of its mask, or NaN.
Polygons are dropped.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from minidet_kernels.masks import areas, bounds, encode

from ..dataset import Objects
from .runs import minus


def hide(objects: Objects, hidden: np.ndarray, keep: str, least: float, *, tighten: bool = False) -> Objects:
    """``objects`` of a picture where the pixels ``hidden`` (H, W), bool, are painted over."""
    if len(objects) == 0:
        return objects
    boxes = objects.boxes
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    whole, covered = sides.prod(axis=1), _covered(hidden, boxes)
    rest, changed, masks, counted = whole - covered, covered > 0, objects.masks, np.full(len(boxes), np.nan)
    if masks is not None:
        before = areas(masks)
        masks = minus(masks, encode(hidden[None]))
        after = areas(masks)
        with_pixels = before > 0
        whole, rest = np.where(with_pixels, before, whole), np.where(with_pixels, after, rest)
        changed = np.where(with_pixels, after < before, changed)
        counted = after.astype(np.float64)
        if tighten:
            near = bounds(masks)
            tight = np.concatenate([np.maximum(boxes, near)[:, :2], np.minimum(boxes, near)[:, 2:]], axis=1)
            tight = np.where((tight[:, 2:] > tight[:, :2]).all(axis=1, keepdims=True), tight, near)
            boxes = np.where((changed & (after > 0))[:, None], tight, boxes)
    kept = ~changed | ((rest > 0) & (rest >= least * whole))
    if keep == "centre":
        kept &= ~_at(hidden, (objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2)
    found = replace(
        objects,
        boxes=boxes,
        masks=masks,
        areas=np.where(changed & ~np.isnan(objects.areas), counted, objects.areas),
        truncated=objects.truncated | changed,
        polygons=None,
    )
    return found if kept.all() else found[kept]


def _covered(hidden: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The area of each box (N, 4) that is hidden: (N,)."""
    # The sum of all pixels above and to the left is, between whole coordinates, bilinear in them.
    table = np.zeros((hidden.shape[0] + 1, hidden.shape[1] + 1))
    np.cumsum(np.cumsum(hidden, axis=0, dtype=np.int32), axis=1, out=table[1:, 1:])
    limits = np.array([hidden.shape[1], hidden.shape[0]] * 2, np.float64)
    at = np.clip(boxes, 0, limits)
    low = np.minimum(at.astype(np.int64), limits.astype(np.int64) - 1)
    part = at - low

    def sums(column: int, row: int) -> np.ndarray:
        x, y, u, v = low[:, column], low[:, row], part[:, column], part[:, row]
        top = (1 - u) * table[y, x] + u * table[y, x + 1]
        return (1 - v) * top + v * ((1 - u) * table[y + 1, x] + u * table[y + 1, x + 1])

    area = sums(2, 3) - sums(0, 3) - sums(2, 1) + sums(0, 1)
    return np.where((boxes[:, 2:] > boxes[:, :2]).all(axis=1), area, 0.0)


def _at(hidden: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether each of the points (N, 2) lies in a hidden pixel: (N,); outside of the picture it does not."""
    x, y = np.floor(points).T
    h, w = hidden.shape
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return inside & hidden[np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)]
