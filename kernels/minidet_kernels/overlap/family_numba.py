"""The family of overlaps in one pass over the pairs, rows shared among the cores; bitwise the definitions'."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .check import EMPTY
from .family import KINDS, angle
from .shares import in_shares

#: Pairs that are worth a thread.
SHARE = 1 << 20


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _overlap(kind: int, a: Any, b: Any, pixel: Any, nothing: Any, quarter: Any, one: Any, factor: Any) -> Any:
    """Of two boxes given as x1 y1 x2 y2, area, angle."""
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    w = (a[2] if a[2] < b[2] else b[2]) - (a[0] if a[0] > b[0] else b[0]) + pixel
    h = (a[3] if a[3] < b[3] else b[3]) - (a[1] if a[1] > b[1] else b[1]) + pixel
    inter = (zero if w < zero else w) * (zero if h < zero else h)
    union = a[4] + b[4] - inter
    iou = nothing if union == zero else inter / union
    if kind == 0:
        return iou
    w = (b[2] if a[2] < b[2] else a[2]) - (b[0] if a[0] > b[0] else a[0]) + pixel
    h = (b[3] if a[3] < b[3] else a[3]) - (b[1] if a[1] > b[1] else a[1]) + pixel
    w, h = zero if w < zero else w, zero if h < zero else h
    if kind == 1:
        hull = w * h
        return iou - (zero if hull == zero else (hull - union) / hull)
    dx, dy = (a[0] + a[2]) - (b[0] + b[2]), (a[1] + a[3]) - (b[1] + b[3])
    diagonal = w * w + h * h
    diou = iou - (zero if diagonal == zero else (dx * dx + dy * dy) * quarter / diagonal)
    if kind == 2:
        return diou
    turn = a[5] - b[5]
    v = turn * turn * factor
    whole = (one - iou) + v
    return diou - (zero if whole == zero else v * v / whole)


@njit(cache=True, nogil=True, error_model="numpy")
def _matrix(kind: int, a: Any, b: Any, numbers: Any, out: Any) -> None:
    pixel, nothing, quarter, one, factor = numbers
    for i in range(a.shape[1]):
        row = (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i])
        for j in range(b.shape[1]):
            column = (b[0, j], b[1, j], b[2, j], b[3, j], b[4, j], b[5, j])
            out[i, j] = _overlap(kind, row, column, pixel, nothing, quarter, one, factor)


@njit(cache=True, nogil=True, error_model="numpy")
def _pairs(kind: int, a: Any, b: Any, numbers: Any, out: Any) -> None:
    pixel, nothing, quarter, one, factor = numbers
    for i in range(a.shape[1]):
        row = (a[0, i], a[1, i], a[2, i], a[3, i], a[4, i], a[5, i])
        other = (b[0, i], b[1, i], b[2, i], b[3, i], b[4, i], b[5, i])
        out[i] = _overlap(kind, row, other, pixel, nothing, quarter, one, factor)


def _columns(kind: str, x: Array, pixel: Any) -> Array:
    """Corners, area and angle of boxes: (6, n); the angles are zeros where they are not asked for."""
    columns = np.zeros((6, len(x)), x.dtype)
    columns[:4] = x.T
    with np.errstate(all="ignore"):
        w, h = (np.maximum(columns[2 + k] - columns[k] + pixel, 0) for k in (0, 1))
        columns[4] = w * h
        if kind == "ciou":
            columns[5] = angle(w, h)
    return columns


def _prepared(kind: str, a: Array, b: Array, width: str, empty: str) -> tuple[Any, ...]:
    dtype = a.dtype.type
    numbers = tuple(map(dtype, (width == "inclusive", EMPTY[empty], 0.25, 1, 4 / math.pi**2)))
    return KINDS.index(kind), _columns(kind, a, numbers[0]), _columns(kind, b, numbers[0]), numbers


def _run_matrix(kind: str, a: Array, b: Array, width: str, empty: str) -> Array:
    number, rows, columns, numbers = _prepared(kind, a, b, width, empty)
    out = np.empty((len(a), len(b)), a.dtype)

    def work(start: int, stop: int) -> None:
        _matrix(number, np.ascontiguousarray(rows[:, start:stop]), columns, numbers, out[start:stop])

    in_shares(work, len(a), least=max(1, SHARE // max(1, len(b))))
    return out


def _run_pairs(kind: str, a: Array, b: Array, width: str, empty: str) -> Array:
    number, first, second, numbers = _prepared(kind, a, b, width, empty)
    out = np.empty(len(a), a.dtype)
    _pairs(number, first, second, numbers, out)
    return out


def giou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.giou_matrix``."""
    return _run_matrix("giou", a, b, width, empty)


def diou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.diou_matrix``."""
    return _run_matrix("diou", a, b, width, empty)


def ciou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.ciou_matrix``."""
    return _run_matrix("ciou", a, b, width, empty)


def iou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_pairs``."""
    return _run_pairs("iou", a, b, width, empty)


def giou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.giou_pairs``."""
    return _run_pairs("giou", a, b, width, empty)


def diou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.diou_pairs``."""
    return _run_pairs("diou", a, b, width, empty)


def ciou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.ciou_pairs``."""
    return _run_pairs("ciou", a, b, width, empty)
