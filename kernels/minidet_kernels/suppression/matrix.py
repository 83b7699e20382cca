"""Matrix NMS row by row, without the matrix.

In the order of scores, what a box decays others by is known when its turn comes: its greatest overlap with a better
one.  So the overlaps of a box with all better ones are computed once, into a buffer, and used at once.  Greatest values
are taken as integers (floats not below zero are in order when read so), which keeps the loops vectorised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .grid import best_first
from .rule import iou, numbers


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _weigh(j: int, overlap: Any, bits: Any, excess: Any, places: Any, most: Any, out: Any, gaussian: bool) -> None:
    """From the overlaps of box j with better ones its greatest overlap, and its factor or exponent.

    ``bits`` and ``places`` are the memory of ``overlap`` and ``excess`` as integers.
    """
    best = np.int64(0)
    for i in range(j):
        best = max(best, bits[i])
    bits[j] = best
    most[j] = overlap[j]
    if gaussian:
        for i in range(j):
            value = overlap[i] * overlap[i] - most[i] * most[i]
            excess[i] = value if value > 0.0 else 0.0
        best = np.int64(0)
        for i in range(j):
            best = max(best, places[i])
        places[j] = best
        out[j] = excess[j]
    else:
        least = 1.0
        for i in range(j):
            rest = 1.0 - most[i]
            ratio = (1.0 - overlap[i]) / rest if rest > 0.0 else 1.0
            least = ratio if ratio < least else least
        out[j] = least


@njit(cache=True, nogil=True, error_model="numpy")
def _boxes(columns: Any, group: Any, rule: Any, gaussian: bool) -> Any:
    """Factors (linear) or exponents times sigma (gaussian) of boxes (5, n), x1 y1 x2 y2 area, from the best down."""
    n = columns.shape[1]
    overlap, excess, most, out = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.empty(n)
    bits, places = overlap.view(np.int64), excess.view(np.int64)
    for j in range(n):
        box = (columns[0, j], columns[1, j], columns[2, j], columns[3, j], columns[4, j])
        for i in range(j):
            k = np.uint64(i)  # unsigned: no test for a negative index
            value = iou(columns[0, k], columns[1, k], columns[2, k], columns[3, k], columns[4, k], box, rule)
            overlap[k] = value if (value > 0) & (group[k] == group[j]) else 0.0  # NaN is 0 too
        _weigh(j, overlap, bits, excess, places, most, out, gaussian)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _given(iou: Any, order: Any, group: Any, gaussian: bool) -> Any:
    """The same of overlaps that are given, (n, n); ``group`` is in order."""
    n = len(order)
    overlap, excess, most, out = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1), np.empty(n)
    bits, places = overlap.view(np.int64), excess.view(np.int64)
    for j in range(n):
        for i in range(j):
            overlap[i] = iou[order[i], order[j]] if group[i] == group[j] else 0.0
        _weigh(j, overlap, bits, excess, places, most, out, gaussian)
    return out


def _decayed(scores: Array, order: Array, found: Array, gaussian: bool, sigma: float) -> Array:
    out = np.array(scores)
    factor = np.exp(-found / sigma) if gaussian else found
    out[order] *= factor.astype(scores.dtype)
    return out


def _groups(classes: Array | None, order: Array) -> Array:
    if classes is None:
        return np.zeros(len(order), np.int32)
    return np.unique(classes, return_inverse=True)[1].ravel()[order].astype(np.int32)


def matrix_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.matrix_nms``."""
    order, gaussian = best_first(scores), kernel == "gaussian"
    rule = numbers(boxes.dtype, 0.0, "strict", width, empty)
    columns = np.empty((5, len(boxes)), boxes.dtype)
    columns[:4] = boxes[order].T
    with np.errstate(all="ignore"):
        w, h = (np.maximum(columns[2 + k] - columns[k] + rule[2], 0) for k in (0, 1))
        columns[4] = w * h
    return _decayed(scores, order, _boxes(columns, _groups(classes, order), rule, gaussian), gaussian, sigma)


def matrix_nms_of(
    iou: Array, scores: Array, classes: Array | None = None, *, kernel: str = "gaussian", sigma: float = 0.5
) -> Array:
    """As ``minidet_kernels.matrix_nms_of``."""
    order, gaussian = best_first(scores), kernel == "gaussian"
    found = _given(np.ascontiguousarray(iou), order, _groups(classes, order), gaussian)
    return _decayed(scores, order, found, gaussian, sigma)
