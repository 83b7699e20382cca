"""RoIPool by rows, then by columns: the greatest of each column of a bin's rows, for the region's width at once.

Among equals the first in row-major order is wanted, but the first pass keeps the first of each column; so the second
prefers, among equal columns, the lower index.  One map after another, as in ``numba_align``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange

from ..arrays import Array
from .geometry import Pair, pair
from .numba_align import by_image
from .whole import windows


@njit(cache=True, nogil=True, error_model="numpy")
def _down(plane: Any, top: int, bottom: int, left: int, best: Any, at: Any) -> None:
    """The first greatest element of each column of rows ``top`` to ``bottom``; NaN is greatest."""
    W = plane.shape[1]
    row = plane[top, left : left + len(best)]
    for j in range(len(best)):
        best[j], at[j] = row[j], np.int32(top * W + left + j)
    for r in range(top + 1, bottom):
        row, first = plane[r, left : left + len(best)], r * W + left
        for j in range(len(best)):
            v, held = row[j], best[j]
            wins = (not (v <= held)) & (held == held)
            best[j] = v if wins else held
            at[j] = np.int32(first + j) if wins else at[j]


@njit(cache=True, parallel=True, error_model="numpy")
def _forward(x: Any, order: Any, ends: Any, top: Any, bottom: Any, left: Any, right: Any, y: Any, index: Any) -> None:
    N, C, _, W = x.shape
    _, _, oh, ow = y.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        plane, values, places = x[n, c], np.empty(W, x.dtype), np.empty(W, np.int32)
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            low, high = left[k, 0], right[k, ow - 1]
            best, at = values[: max(high - low, 0)], places[: max(high - low, 0)]
            for i in range(oh):
                some = top[k, i] < bottom[k, i] and low < high
                if some:
                    _down(plane, top[k, i], bottom[k, i], low, best, at)
                for j in range(ow):
                    first, last = left[k, j] - low, right[k, j] - low
                    if not some or first >= last:
                        y[k, c, i, j], index[k, c, i, j] = 0, -1
                        continue
                    held, where = best[first], at[first]
                    for s in range(first + 1, last):
                        v, a = best[s], at[s]
                        greater = v > held or (v != v and held == held)
                        equal = v == held or (v != v and held != held)
                        if greater or (equal and a < where):
                            held, where = v, a
                    y[k, c, i, j], index[k, c, i, j] = held, where


@njit(cache=True, parallel=True, error_model="numpy")
def _backward(g: Any, index: Any, order: Any, ends: Any, x: Any) -> None:
    N, C, _ = x.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        plane = x[n, c]
        plane[:] = 0
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            values, places = g[k, c], index[k, c]
            for b in range(len(values)):
                if places[b] >= 0:
                    plane[places[b]] += values[b]


def roi_pool(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    rounding: str = "half_away",
    end: str = "inclusive",
    bins: str = "exact",
    inverted: str = "keep",
) -> tuple[Array, Array]:
    """As ``minidet_kernels.roi_pool``."""
    shape = (len(rois), x.shape[1], *pair(output_size))
    (top, bottom), (left, right) = windows(rois, output_size, x.shape[2:], spatial_scale, rounding, end, bins)
    y, index = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    _forward(np.ascontiguousarray(x), *by_image(rois, x.shape[0]), top, bottom, left, right, y, index)
    return y, index


def roi_pool_grad_x(g: Array, index: Array, rois: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.roi_pool_grad_x``, summed in the dtype of ``g``."""
    N, C, H, W = shape
    gx, flat = np.empty((N, C, H * W), g.dtype), (*g.shape[:2], g.shape[2] * g.shape[3])
    values, places = (np.ascontiguousarray(a).reshape(flat) for a in (g, index))
    _backward(values, places, *by_image(rois, N), gx)
    return gx.reshape(N, C, H, W)
