"""Greedy suppression over boxes sorted by class and score, without a quadratic array.

Each box is tested against the boxes kept so far in its class, so the work is (boxes) x (kept) and the memory linear.
For ``fast_nms`` the dropped boxes are held too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .rule import ALIKE, drops, iou, numbers

#: Kept boxes that are tried before asking whether one of them drops the candidate.
BLOCK = 64


@njit(cache=True, nogil=True, error_model="numpy")
def _hit(held: Any, first: int, stop: int, box: Any, rule: Any) -> bool:
    """Whether one of the held boxes, first .. stop, drops the box.  No early way out within a block: vectorised."""
    limit, strict, _, _, _, beta = rule
    for start in range(first, stop, BLOCK):
        hit, last = False, min(start + BLOCK, stop)
        for j in range(start, last):
            at = np.uint64(j)  # unsigned: no test for a negative index
            value = iou(held[0, at], held[1, at], held[2, at], held[3, at], held[4, at], box, rule)
            hit |= (value > limit) | ((value == limit) & (not strict))
        if hit and beta == 0:
            return True
        if hit:
            for k in range(start, last):
                if drops(held[0, k], held[1, k], held[2, k], held[3, k], held[4, k], box, rule, held):
                    return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy(boxes: Any, starts: Any, rule: Any, chain: bool) -> Any:
    """Mask of the kept among ``boxes`` (4, n), sorted best first in each group ``starts[c] .. starts[c + 1]``."""
    pixel = rule[2]
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    n = boxes.shape[1]
    keep = np.zeros(n, np.bool_)
    held = np.empty((5, n), boxes.dtype)  # x1 y1 x2 y2 area of the boxes held so far in this group
    for c in range(len(starts) - 1):
        count = 0
        for i in range(starts[c], starts[c + 1]):
            left, top, right, bottom = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
            w, h = right - left + pixel, bottom - top + pixel
            box = (left, top, right, bottom, (zero if w < zero else w) * (zero if h < zero else h))
            keep[i] = not _hit(held, 0, count, box, rule)
            if keep[i] or chain:
                for k in range(5):
                    held[k, count] = box[k]
                count += 1
    return keep


def kept(
    boxes: Array,
    scores: Array,
    classes: Array | None,
    *,
    threshold: float,
    compare: str,
    width: str,
    empty: str,
    beta: float = 0.0,
    chain: bool = False,
) -> Array:
    """Indices of the kept, best first: by IoU, or with ``beta`` above 0 by what ``diou_nms`` compares."""
    rule = numbers(boxes.dtype, threshold, compare, width, empty, beta)
    if classes is None:
        order, starts = np.argsort(-scores, kind="stable"), np.array([0, len(scores)])
    else:
        order = np.lexsort((-scores, classes))  # by class, then score; stable, so the lower index first
        starts = np.flatnonzero(np.diff(classes[order], prepend=classes[order][:1] - 1)) if len(order) else order
        starts = np.append(starts, len(order))
    found = order[_greedy(np.ascontiguousarray(boxes[order].T), starts, rule, chain)]
    return found if classes is None else found[np.lexsort((found, -scores[found]))]


def nms(boxes: Array, scores: Array, **options: Any) -> Array:
    """As ``minidet_kernels.nms``."""
    return kept(boxes, scores, None, **ALIKE | options)


def batched_nms(boxes: Array, scores: Array, classes: Array, **options: Any) -> Array:
    """As ``minidet_kernels.batched_nms``."""
    return kept(boxes, scores, classes, **ALIKE | options)


def diou_nms(boxes: Array, scores: Array, classes: Array | None = None, *, beta: float = 1.0, **options: Any) -> Array:
    """As ``minidet_kernels.diou_nms``."""
    return kept(boxes, scores, classes, beta=float(beta), **ALIKE | options)


def fast_nms(boxes: Array, scores: Array, classes: Array | None = None, **options: Any) -> Array:
    """As ``minidet_kernels.fast_nms``."""
    return kept(boxes, scores, classes, chain=True, **ALIKE | options)
