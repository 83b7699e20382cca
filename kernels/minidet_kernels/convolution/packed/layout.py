"""From arrays (N, C, H, W) to maps with their channels last, back, and from map to map."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .maps import Map

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


def _flat(a: Map) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The numbers from a map's first to its last as one vector, and its steps in numbers: one type for all maps."""
    image, row, pixel = (step // 4 for step in a.steps)
    n, h, w, c = a.data.shape
    size = 0 if 0 in a.data.shape else (n - 1) * image + (h - 1) * row + (w - 1) * pixel + c
    return np.lib.stride_tricks.as_strided(a.data, (size,), (4,)), (image, row, pixel)


@njit(cache=True, parallel=True)
def _to_map(x, y, steps):
    """y[n, i, j, c] = x[n, c, i, j]."""
    N, C, H, W = x.shape
    image, row, pixel = steps
    for item in prange(N * H):
        n, i = item // H, item % H
        start = n * image + i * row
        for c in range(C):
            line = x[n, c, i]
            for j in range(W):
                y[start + j * pixel + c] = line[j]


@njit(cache=True, parallel=True)
def _from_map(x, y, steps):
    """y[n, c, i, j] = x[n, i, j, c]."""
    N, C, H, W = y.shape
    image, row, pixel = steps
    for item in prange(N * H):
        n, i = item // H, item % H
        start = n * image + i * row
        for c in range(C):
            line = y[n, c, i]
            for j in range(W):
                line[j] = x[start + j * pixel + c]


@njit(cache=True, parallel=True)
def _enlarge(x, x_steps, y, y_steps, shape, rows, columns):
    """y[n, i, j, c] = x[n, i // rows, j // columns, c]."""
    N, H, W, C = shape
    for item in prange(N * H):
        n, i = item // H, item % H
        source, target = n * x_steps[0] + i // rows * x_steps[1], n * y_steps[0] + i * y_steps[1]
        for j in range(W):
            a, b = source + j // columns * x_steps[2], target + j * y_steps[2]
            for c in range(C):
                y[b + c] = x[a + c]


def to_map(x: np.ndarray, y: Map) -> None:
    """Copy an array (N, C, H, W) of float32 into a map of that size."""
    vector, steps = _flat(y)
    _to_map(x if x.flags.carray else np.array(x, order="C"), vector, steps)


def from_map(x: Map) -> np.ndarray:
    """A new array (N, C, H, W) of what a map holds."""
    n, h, w, c = x.data.shape
    y = np.empty((n, c, h, w), np.float32)
    vector, steps = _flat(x)
    _from_map(vector, y, steps)
    return y


def enlarge(x: Map, y: Map) -> None:
    """Repeat each pixel so that it fills ``y``, whose sides are whole multiples; with equal sides, copy."""
    rows, columns = (y.data.shape[k] // max(1, x.data.shape[k]) for k in (1, 2))
    (source, x_steps), (target, y_steps) = _flat(x), _flat(y)
    _enlarge(source, x_steps, target, y_steps, y.data.shape, rows, columns)
