"""Max pooling by rows, then by columns: kh + kw comparisons per window instead of kh * kw.

The first maximum in row-major order is the first in its row, in the first row that attains the maximum; so the two
passes find the definition's index, ties and NaN included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .windows import Pair, axes


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(best: Any, at: Any, values: Any, step: int, first: int) -> None:
    """Let ``values[j * step]``, whose index is ``first + j * step``, win ``best[j]`` where it is greater.

    A NaN beats every number and is beaten by nothing: hence "not at most" for "greater".  Steps 1 and 2 are written
    out, since the compiler vectorises only steps that it knows.
    """
    if step == 1:
        for j in range(len(best)):
            v, held = values[j], best[j]
            wins = (not (v <= held)) & (held == held)
            best[j] = v if wins else held
            at[j] = np.int32(first + j) if wins else at[j]
    elif step == 2:
        for j in range(len(best)):
            v, held = values[np.uint64(2 * j)], best[j]  # unsigned: no test for a negative index
            wins = (not (v <= held)) & (held == held)
            best[j] = v if wins else held
            at[j] = np.int32(first + 2 * j) if wins else at[j]
    else:
        for j in range(len(best)):
            v, held = values[np.uint64(step * j)], best[j]
            wins = (not (v <= held)) & (held == held)
            best[j] = v if wins else held
            at[j] = np.int32(first + step * j) if wins else at[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _max(x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any) -> None:
    planes, H, W = x.shape
    _, oh, ow = y.shape
    row_best = np.empty((H, ow), x.dtype)  # maximum of each horizontal window of each row, and its column
    row_at = np.empty((H, ow), np.int32)
    best, at = np.empty(ow, x.dtype), np.empty(ow, np.int32)
    for p in range(planes):
        for r in range(H):
            row, into, column = x[p, r], row_best[r], row_at[r]
            for j in range(ow):
                start = max(j * sw - left, 0)
                into[j], column[j] = row[np.uint64(start)], np.int32(start)
            for u in range(kw):  # windows first .. last have their element u inside the row
                first = max(0, -((u - left) // sw))
                last = min(ow, (W - 1 + left - u) // sw + 1)
                if first < last:
                    c = first * sw - left + u
                    _fold(into[first:last], column[first:last], row[c:], sw, c)
        for i in range(oh):
            start = i * sh - top
            r = max(start, 0)
            best[:] = row_best[r]
            at[:] = row_at[r] + np.int32(r * W)
            for r in range(max(start, 0) + 1, min(start + kh, H)):
                values, column = row_best[r], row_at[r]
                for j in range(ow):
                    v, held = values[j], best[j]
                    wins = (not (v <= held)) & (held == held)
                    best[j] = v if wins else held
                    at[j] = np.int32(r * W) + column[j] if wins else at[j]
            y[p, i] = best
            index[p, i] = at


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter(g: Any, index: Any, x: Any) -> None:
    for p in range(g.shape[0]):
        for i in range(g.shape[1]):
            x[p, index[p, i]] += g[p, i]


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d``."""
    N, C, H, W = x.shape
    rows, columns = axes(x.shape, size, stride, padding, convention)
    y = np.empty((N * C, rows.out, columns.out), x.dtype)
    index = np.empty(y.shape, np.int64)
    planes = np.ascontiguousarray(x).reshape(N * C, H, W)
    _max(planes, rows.size, rows.stride, rows.before, columns.size, columns.stride, columns.before, y, index)
    shape = (N, C, rows.out, columns.out)
    return y.reshape(shape), index.reshape(shape)


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.max_pool2d_grad_x``, summed in the dtype of ``g``."""
    N, C, H, W = shape
    x = np.zeros((N * C, H * W), g.dtype)
    upstream, where = (np.ascontiguousarray(a).reshape(N * C, g.shape[2] * g.shape[3]) for a in (g, index))
    _scatter(upstream, where, x)
    return x.reshape(N, C, H, W)
