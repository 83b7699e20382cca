"""Greedy suppression over boxes sorted by class and score, without a quadratic array.

Each box is tested against the boxes kept so far in its class, so the work is (boxes) x (kept) and the memory linear.
``fastmath`` stays off, and every operation is the definition's: the kept boxes are exactly the definition's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap.check import EMPTY

#: Kept boxes that are tried before asking whether one of them drops the candidate.
BLOCK = 64


@njit(cache=True, nogil=True, error_model="numpy")
def _hit(
    x1: Any, y1: Any, x2: Any, y2: Any, areas: Any, box: Any, limit: Any, strict: bool, pixel: Any, nothing: Any
) -> bool:
    """Whether one of the boxes (their columns and areas) overlaps ``box`` too much.  No early way out: vectorised."""
    left, top, right, bottom, area = box
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    hits = 0
    for k in range(len(areas)):
        w = (right if right < x2[k] else x2[k]) - (left if left > x1[k] else x1[k]) + pixel
        h = (bottom if bottom < y2[k] else y2[k]) - (top if top > y1[k] else y1[k]) + pixel
        inter = (zero if w < zero else w) * (zero if h < zero else h)
        union = areas[k] + area - inter
        iou = nothing if union == zero else inter / union
        hits += (iou > limit) | ((iou == limit) & (not strict))
    return hits > 0


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy(boxes: Any, starts: Any, limit: Any, strict: bool, pixel: Any, nothing: Any) -> Any:
    """Mask of the kept among ``boxes`` (4, n), sorted best first in each group ``starts[c] .. starts[c + 1]``."""
    zero = pixel - pixel
    n = boxes.shape[1]
    keep = np.zeros(n, np.bool_)
    held = np.empty((5, n), boxes.dtype)  # x1 y1 x2 y2 area of the boxes kept so far in this group
    x1, y1, x2, y2, areas = held[0], held[1], held[2], held[3], held[4]
    for c in range(len(starts) - 1):
        count = 0
        for i in range(starts[c], starts[c + 1]):
            left, top, right, bottom = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
            w, h = right - left + pixel, bottom - top + pixel
            box = (left, top, right, bottom, (zero if w < zero else w) * (zero if h < zero else h))
            drop = False
            for k in range(0, count, BLOCK):
                s = slice(k, min(k + BLOCK, count))
                drop = _hit(x1[s], y1[s], x2[s], y2[s], areas[s], box, limit, strict, pixel, nothing)
                if drop:
                    break
            if not drop:
                keep[i] = True
                x1[count], y1[count], x2[count], y2[count], areas[count] = box
                count += 1
    return keep


def _kept(boxes: Array, order: Array, starts: Array, threshold: float, compare: str, width: str, empty: str) -> Array:
    dtype = boxes.dtype.type
    columns = np.ascontiguousarray(boxes[order].T)  # (4, n)
    pixel, nothing = dtype(width == "inclusive"), dtype(EMPTY[empty])
    return order[_greedy(columns, starts, dtype(threshold), compare == "strict", pixel, nothing)]


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.nms``."""
    order = np.argsort(-scores, kind="stable")
    return _kept(boxes, order, np.array([0, len(order)]), threshold, compare, width, empty)


def batched_nms(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.batched_nms``."""
    order = np.lexsort((-scores, classes))  # by class, then score; stable, so the lower index first
    starts = np.flatnonzero(np.diff(classes[order], prepend=classes[order][:1] - 1)) if len(order) else order
    kept = _kept(boxes, order, np.append(starts, len(order)), threshold, compare, width, empty)
    return kept[np.lexsort((kept, -scores[kept]))]
