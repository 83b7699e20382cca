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
def _max(x: Any, kh: int, sh: int, top: int, kw: int, sw: int, left: int, y: Any, index: Any) -> None:
    planes, H, W = x.shape
    _, oh, ow = y.shape
    best = np.empty((H, ow), x.dtype)  # maximum of each horizontal window of each row, and its column
    at = np.empty((H, ow), np.int32)
    for p in range(planes):
        for r in range(H):
            for j in range(ow):
                start = j * sw - left
                first, last = max(start, 0), min(start + kw, W)
                value, column = x[p, r, first], first
                for c in range(first + 1, last):
                    v = x[p, r, c]
                    if v > value or (v != v and value == value):
                        value, column = v, c
                best[r, j], at[r, j] = value, column
        for i in range(oh):
            start = i * sh - top
            first, last = max(start, 0), min(start + kh, H)
            for j in range(ow):
                y[p, i, j], index[p, i, j] = best[first, j], first * W + at[first, j]
            for r in range(first + 1, last):
                for j in range(ow):
                    v, value = best[r, j], y[p, i, j]
                    if v > value or (v != v and value == value):
                        y[p, i, j], index[p, i, j] = v, r * W + at[r, j]


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
    windows = g.shape[2] * g.shape[3]
    _scatter(*(np.ascontiguousarray(a).reshape(N * C, windows) for a in (g, index)), x)
    return x.reshape(N, C, H, W)
