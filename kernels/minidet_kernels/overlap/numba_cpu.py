"""One pass over the pairs, no temporaries.  ``fastmath`` stays off: the result is bitwise the definition's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .check import EMPTY


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(a: Any, b: Any, pixel: Any, nothing: Any, out: Any) -> None:
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    area_b = np.empty(b.shape[1], b.dtype)
    for j in range(b.shape[1]):
        w, h = b[2, j] - b[0, j] + pixel, b[3, j] - b[1, j] + pixel
        area_b[j] = (zero if w < zero else w) * (zero if h < zero else h)
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
        w, h = ax2 - ax1 + pixel, ay2 - ay1 + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        for j in range(b.shape[1]):
            # A NaN coordinate may be lost here, but not in its box's area, so the quotient is NaN all the same.
            w = (ax2 if ax2 < b[2, j] else b[2, j]) - (ax1 if ax1 > b[0, j] else b[0, j]) + pixel
            h = (ay2 if ay2 < b[3, j] else b[3, j]) - (ay1 if ay1 > b[1, j] else b[1, j]) + pixel
            inter = (zero if w < zero else w) * (zero if h < zero else h)
            union = area + area_b[j] - inter
            out[i, j] = nothing if union == zero else inter / union


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``."""
    dtype = a.dtype.type
    if out is None:
        out = np.empty((len(a), len(b)), a.dtype)
    rows, columns = np.ascontiguousarray(a), np.ascontiguousarray(b.T)  # (M, 4), (4, N)
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    _fill(rows, columns, dtype(width == "inclusive"), dtype(EMPTY[empty]), target)
    if target is not out:
        out[...] = target
    return out
