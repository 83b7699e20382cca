"""All cores, and for matrices larger than the caches, where they are given, stores that go past them.

An ordinary store first reads the line that it writes to, so half of the memory traffic would be for nothing.  A piece
of a row is computed into a buffer that stays in the cache, by the same loop as in ``numba_cpu``, and copied out by
stores marked non-temporal, a whole line each.  What is computed is the same, operation by operation.

New memory is written by ordinary stores: the system has just cleared its pages, so their lines are in the caches, and
stores past those would first have to drive them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.core.cgutils import ir
from numba.extending import intrinsic

from ..arrays import Array
from . import numba_cpu, pages
from .check import EMPTY
from .shares import in_shares

#: Elements of the buffer; bytes of a cache line.
PIECE, LINE = 2048, 64
#: Bytes of a matrix that does not stay in the caches anyway, and elements that are worth a thread.
LARGE, SHARE = 1 << 24, 1 << 21


def _line(typing: Any, to: Any, source: Any) -> Any:
    """Copy the 64 bytes at one address to another, which is a multiple of 64, past the caches."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        line = ir.VectorType(ir.IntType(32), LINE // 4).as_pointer()
        value = builder.load(builder.inttoptr(args[1], line), align=4)
        store = builder.store(value, builder.inttoptr(args[0], line), align=LINE)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


def _wait(typing: Any) -> Any:
    """Wait until what was stored past the caches can be seen by other threads."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


_copy_line: Any = intrinsic(_line)
_fence: Any = intrinsic(_wait)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(a: Any, b: Any, pixel: Any, nothing: Any, out: Any) -> None:
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    n, size = out.shape[1], out.itemsize
    area_b = np.empty(n, b.dtype)
    for j in range(n):
        w, h = b[2, j] - b[0, j] + pixel, b[3, j] - b[1, j] + pixel
        area_b[j] = (zero if w < zero else w) * (zero if h < zero else h)
    buffer = np.empty(PIECE, out.dtype)
    for i in range(a.shape[0]):
        ax1, ay1, ax2, ay2 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
        w, h = ax2 - ax1 + pixel, ay2 - ay1 + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        row = out.ctypes.data + i * n * size
        j = 0
        while j < n:
            # The first piece ends where a line begins; all others begin there.
            ahead = (-(row + j * size) % LINE) // size
            m = min(ahead if ahead else PIECE, n - j)
            bx1, by1, bx2, by2 = b[0, j : j + m], b[1, j : j + m], b[2, j : j + m], b[3, j : j + m]
            areas = area_b[j : j + m]
            for k in range(m):
                w = (ax2 if ax2 < bx2[k] else bx2[k]) - (ax1 if ax1 > bx1[k] else bx1[k]) + pixel
                h = (ay2 if ay2 < by2[k] else by2[k]) - (ay1 if ay1 > by1[k] else by1[k]) + pixel
                inter = (zero if w < zero else w) * (zero if h < zero else h)
                union = area + areas[k] - inter
                buffer[k] = nothing if union == zero else inter / union
            lines = 0 if ahead else m * size // LINE
            for k in range(lines):
                _copy_line(row + j * size + k * LINE, buffer.ctypes.data + k * LINE)
            for k in range(lines * LINE // size, m):
                out[i, j + k] = buffer[k]
            j += m
    _fence()


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``."""
    dtype = a.dtype.type
    given = out is not None
    if out is None:
        shape = len(a), len(b)
        large = len(a) * len(b) * a.itemsize >= LARGE
        out = pages.empty(shape, a.dtype) if large else np.empty(shape, a.dtype)
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    rows, columns = np.ascontiguousarray(a), np.ascontiguousarray(b.T)  # (M, 4), (4, N)
    pixel, nothing = dtype(width == "inclusive"), dtype(EMPTY[empty])
    fill = _fill if given and out.nbytes >= LARGE else numba_cpu._fill

    def work(start: int, stop: int) -> None:
        fill(rows[start:stop], columns, pixel, nothing, target[start:stop])

    in_shares(work, len(rows), least=max(1, SHARE // max(1, len(b))))
    if target is not out:
        out[...] = target
    return out
