"""IoU with crowds in one pass over the pairs, rows shared among the cores; bitwise the definition's.

Of a truth, four corners and an area are as in ``numba_cpu``.  Another number is 0, or NaN where a corner is: the
selects below may lose that NaN, and the union with a crowd has no area of the truth that would hold it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .check import EMPTY
from .shares import in_shares

#: Pairs that are worth a thread.
SHARE = 1 << 21


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(a: Any, b: Any, areas: Any, holes: Any, crowd: Any, pixel: Any, nothing: Any, out: Any) -> None:
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
        w, h = ax2 - ax1 + pixel, ay2 - ay1 + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        for j in range(b.shape[1]):
            w = (ax2 if ax2 < b[2, j] else b[2, j]) - (ax1 if ax1 > b[0, j] else b[0, j]) + pixel
            h = (ay2 if ay2 < b[3, j] else b[3, j]) - (ay1 if ay1 > b[1, j] else b[1, j]) + pixel
            inter = (zero if w < zero else w) * (zero if h < zero else h)
            both = area + areas[j] - inter
            union = area + holes[j] if crowd[j] else both
            out[i, j] = nothing if union == zero else inter / union


def crowd_iou_matrix(a: Array, b: Array, crowd: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.crowd_iou_matrix``."""
    dtype = a.dtype.type
    pixel, nothing = dtype(width == "inclusive"), dtype(EMPTY[empty])
    rows, columns, flags = np.ascontiguousarray(a), np.ascontiguousarray(b.T), np.ascontiguousarray(crowd)
    out = np.empty((len(a), len(b)), a.dtype)
    with np.errstate(all="ignore"):
        w, h = (np.maximum(columns[2 + k] - columns[k] + pixel, 0) for k in (0, 1))
        areas, holes = w * h, np.where(np.isnan(columns).any(axis=0), dtype(np.nan), dtype(0))

    def work(start: int, stop: int) -> None:
        _fill(rows[start:stop], columns, areas, holes, flags, pixel, nothing, out[start:stop])

    in_shares(work, len(a), least=max(1, SHARE // max(1, len(b))))
    return out
