"""Max pooling by rows, then by columns: kh + kw comparisons per window instead of kh * kw.

The first maximum in row-major order is the first in its row, in the first row that attains the maximum; so the two
passes find the definition's index, ties and NaN included.  Large maps are shared among the threads, plane by plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .windows import Pair, axes

#: Elements of the maps that are worth a second thread, for windows of 2 x 2.
SHARE = 1 << 17


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
def _plane(x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any) -> None:
    (H, W), (oh, ow) = x.shape, y.shape
    row_best = np.empty((H, ow), x.dtype)  # maximum of each horizontal window of each row, and its column
    row_at = np.empty((H, ow), np.int32)
    best, at = np.empty(ow, x.dtype), np.empty(ow, np.int32)
    for r in range(H):
        row, into, column = x[r], row_best[r], row_at[r]
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
        y[i] = best
        index[i] = at


@njit(cache=True, nogil=True, error_model="numpy")
def _alone(x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any) -> None:
    for p in range(len(x)):
        _plane(x[p], kh, sh, top, kw, sw, left, y[p], index[p])


@njit(cache=True, parallel=True, error_model="numpy")
def _together(x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any) -> None:
    for p in prange(len(x)):
        _plane(x[p], kh, sh, top, kw, sw, left, y[p], index[p])


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter(g: Any, index: Any, x: Any) -> None:
    x[:] = 0
    for i in range(len(g)):
        x[index[i]] += g[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter_alone(g: Any, index: Any, x: Any) -> None:
    for p in range(len(g)):
        _scatter(g[p], index[p], x[p])


@njit(cache=True, parallel=True, error_model="numpy")
def _scatter_together(g: Any, index: Any, x: Any) -> None:
    for p in prange(len(g)):
        _scatter(g[p], index[p], x[p])


def _many(elements: int) -> bool:
    return elements >= SHARE and get_num_threads() > 1


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d``."""
    N, C, H, W = x.shape
    rows, columns = axes(x.shape, size, stride, padding, convention)
    y = np.empty((N * C, rows.out, columns.out), x.dtype)
    index = np.empty(y.shape, np.int64)
    planes = np.ascontiguousarray(x).reshape(N * C, H, W)
    run = _together if _many(x.size * (rows.size + columns.size) // 4) else _alone
    run(planes, rows.size, rows.stride, rows.before, columns.size, columns.stride, columns.before, y, index)
    shape = (N, C, rows.out, columns.out)
    return y.reshape(shape), index.reshape(shape)


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.max_pool2d_grad_x``, summed in the dtype of ``g``."""
    N, C, H, W = shape
    x = np.empty((N * C, H * W), g.dtype)
    upstream, where = (np.ascontiguousarray(a).reshape(N * C, g.shape[2] * g.shape[3]) for a in (g, index))
    run = _scatter_together if _many(x.size) else _scatter_alone
    run(upstream, where, x)
    return x.reshape(N, C, H, W)
