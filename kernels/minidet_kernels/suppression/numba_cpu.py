"""Greedy suppression over boxes sorted by class and score, without a quadratic array.

Each box is tested against the boxes kept so far in its class, so the work is (boxes) x (kept) and the memory linear.
``fastmath`` stays off, and every operation is the definition's: the kept boxes are exactly the definition's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap import EMPTY


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy(boxes: Any, starts: Any, limit: Any, strict: bool, pixel: Any, nothing: Any) -> Any:
    """Mask of the kept among ``boxes`` (4, n), sorted best first in each group ``starts[c] .. starts[c + 1]``."""
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    n = boxes.shape[1]
    keep = np.zeros(n, np.bool_)
    held = np.empty((5, n), boxes.dtype)  # x1 y1 x2 y2 area of the boxes kept so far
    for c in range(len(starts) - 1):
        count = 0
        for i in range(starts[c], starts[c + 1]):
            x1, y1, x2, y2 = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
            w, h = x2 - x1 + pixel, y2 - y1 + pixel
            area = (zero if w < zero else w) * (zero if h < zero else h)
            dropped = False
            for k in range(count):
                w = (x2 if x2 < held[2, k] else held[2, k]) - (x1 if x1 > held[0, k] else held[0, k]) + pixel
                h = (y2 if y2 < held[3, k] else held[3, k]) - (y1 if y1 > held[1, k] else held[1, k]) + pixel
                inter = (zero if w < zero else w) * (zero if h < zero else h)
                union = held[4, k] + area - inter
                iou = nothing if union == zero else inter / union
                if iou > limit or (iou == limit and not strict):
                    dropped = True
                    break
            if not dropped:
                keep[i] = True
                held[0, count], held[1, count], held[2, count], held[3, count], held[4, count] = x1, y1, x2, y2, area
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
