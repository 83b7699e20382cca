"""All cores, and for matrices larger than the caches, where they are given, stores that go past them.

An ordinary store first reads the line that it writes to, so half of the memory traffic would be for nothing.  Sixteen
overlaps are computed at a time, where lines begin, and written by stores marked non-temporal; what lies before the
first line of a row and after the last is left to the loop of ``numba_cpu``.  What is computed is the same, operation by
operation.

New memory is written by ordinary stores: the system has just cleared its pages, so their lines are in the caches, and
stores past those would first have to drive them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from ..arrays import Array
from . import numba_cpu, pages
from .check import EMPTY
from .shares import in_shares
from .sixteen import LANES, overlaps

#: Bytes of a cache line.
LINE = 64
#: Bytes of a matrix that does not stay in the caches anyway, and elements that are worth a thread.
LARGE, SHARE = 1 << 24, 1 << 21


def _wait(typing: Any) -> Any:
    """Wait until what was stored past the caches can be seen by other threads."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


_fence: Any = intrinsic(_wait)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(a: Any, b: Any, pixel: Any, nothing: Any, out: Any) -> None:
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    n, size = out.shape[1], out.itemsize
    area_b = np.empty(n, b.dtype)
    for j in range(n):
        w, h = b[2, j] - b[0, j] + pixel, b[3, j] - b[1, j] + pixel
        area_b[j] = (zero if w < zero else w) * (zero if h < zero else h)
    boxes, areas, step = np.int64(b.ctypes.data), np.int64(area_b.ctypes.data), np.int64(n * size)
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
        w, h = ax2 - ax1 + pixel, ay2 - ay1 + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        row = np.int64(out.ctypes.data) + i * n * size
        first = min(n, (-row % LINE) // size)
        last = first + (n - first) // LANES * LANES
        for j in range(first, last, LANES):
            overlaps(boxes + j * size, step, ax1, ay1, ax2, ay2, pixel, area, areas + j * size, nothing, row + j * size)
        for k in range(n - (last - first)):
            j = k if k < first else k + last - first
            w = (ax2 if ax2 < b[2, j] else b[2, j]) - (ax1 if ax1 > b[0, j] else b[0, j]) + pixel
            h = (ay2 if ay2 < b[3, j] else b[3, j]) - (ay1 if ay1 > b[1, j] else b[1, j]) + pixel
            inter = (zero if w < zero else w) * (zero if h < zero else h)
            union = area + area_b[j] - inter
            out[i, j] = nothing if union == zero else inter / union
    _fence()


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``."""
    dtype = a.dtype.type
    given = out is not None
    if out is None:
        shape = len(a), len(b)
        large = len(a) * len(b) * a.itemsize >= LARGE
        out = pages.empty(shape, a.dtype) if large else np.empty(shape, a.dtype)
    target = out if out.flags.carray else np.empty(out.shape, out.dtype)  # elsewhere no line begins with an element
    rows, columns = np.ascontiguousarray(a), np.ascontiguousarray(b.T)  # (M, 4), (4, N)
    pixel, nothing = dtype(width == "inclusive"), dtype(EMPTY[empty])
    fill = _fill if given and out.nbytes >= LARGE else numba_cpu._fill

    def work(start: int, stop: int) -> None:
        fill(rows[start:stop], columns, pixel, nothing, target[start:stop])

    in_shares(work, len(rows), least=max(1, SHARE // max(1, len(b))))
    if target is not out:
        out[...] = target
    return out
