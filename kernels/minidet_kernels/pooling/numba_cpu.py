"""Max pooling by rows, then by columns: kh + kw comparisons per window instead of kh * kw.

The first maximum in row-major order is the first in its row, in the first row that attains the maximum; so the two
passes find the definition's index, ties and NaN included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

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
def _plane(
    x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any,
    row_best: Any, row_at: Any, best: Any, at: Any,
) -> None:  # fmt: skip
    """One plane; ``row_best`` and ``row_at`` are the maximum of each horizontal window of each row, and its column."""
    (H, W), (oh, ow) = x.shape, y.shape
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
def _halves(x: Any, y: Any, index: Any) -> None:
    """One plane by windows of 2 x 2, two apart, all of them inside: the usual case, without the two passes."""
    W, (oh, ow) = x.shape[1], y.shape
    for i in range(oh):
        upper, lower, out, where = x[2 * i], x[2 * i + 1], y[i], index[i]
        first = np.int64(2 * i * W)
        for j in range(ow):
            k = np.uint64(2 * j)
            a, b, c, d = upper[k], upper[k + np.uint64(1)], lower[k], lower[k + np.uint64(1)]
            # A NaN beats every number, and is beaten by nothing.
            wins = (not (b <= a)) & (a == a)
            best, at = b if wins else a, np.int64(1) if wins else np.int64(0)
            wins = (not (c <= best)) & (best == best)
            best, at = c if wins else best, np.int64(W) if wins else at
            wins = (not (d <= best)) & (best == best)
            out[j] = d if wins else best
            where[j] = first + 2 * j + (np.int64(W + 1) if wins else at)


@njit(cache=True, parallel=True, error_model="numpy")
def _max(
    x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any, threads: int
) -> None:  # fmt: skip
    (planes, H, W), (_, oh, ow) = x.shape, y.shape
    halves = kh == 2 and kw == 2 and sh == 2 and sw == 2 and top == 0 and left == 0 and 2 * oh <= H and 2 * ow <= W
    for thread in prange(threads):
        row_best, best = np.empty((H, ow), x.dtype), np.empty(ow, x.dtype)
        row_at, at = np.empty((H, ow), np.int32), np.empty(ow, np.int32)
        for p in range(planes * thread // threads, planes * (thread + 1) // threads):
            if halves:
                _halves(x[p], y[p], index[p])
            else:
                _plane(x[p], kh, sh, top, kw, sw, left, y[p], index[p], row_best, row_at, best, at)


@njit(cache=True, parallel=True, error_model="numpy")
def _scatter(g: Any, index: Any, x: Any) -> None:
    for p in prange(g.shape[0]):
        x[p] = 0
        for i in range(g.shape[1]):
            x[p, np.uint64(index[p, i])] += g[p, i]


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d``."""
    N, C, H, W = x.shape
    rows, columns = axes(x.shape, size, stride, padding, convention)
    y = np.empty((N * C, rows.out, columns.out), x.dtype)
    index = np.empty(y.shape, np.int64)
    planes = _ready(x).reshape(N * C, H, W)
    down, across = (rows.size, rows.stride, rows.before), (columns.size, columns.stride, columns.before)
    _max(planes, *down, *across, y, index, get_num_threads())
    shape = (N, C, rows.out, columns.out)
    return y.reshape(shape), index.reshape(shape)


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.max_pool2d_grad_x``, summed in the dtype of ``g``."""
    N, C, H, W = shape
    x = np.empty((N * C, H * W), g.dtype)
    upstream, where = (_ready(a).reshape(N * C, g.shape[2] * g.shape[3]) for a in (g, index))
    _scatter(upstream, where, x)
    return x.reshape(N, C, H, W)
