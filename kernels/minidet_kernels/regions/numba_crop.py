"""crop_and_resize as RoIAlign's sparse maps: rows and columns are summed by ``numba_align``'s functions.

With the channels last it is ``numba_channels``'s; only the weights are others.  Samples outside are set afterwards.

The gradient by the boxes is one thread's for each box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from . import numba_align, numba_channels
from .crops import Samples, length, samples
from .geometry import Pair, pair
from .numba_align import Taps, by_image
from .numba_channels import BLOCK


def _taps(found: Samples, n: int, dtype: np.dtype[Any]) -> Taps:
    """At most two elements for each sample, none where it is outside."""
    used = np.stack([found.inside, found.inside & (found.part > 0)], axis=2)  # (K, m, 2)
    last = np.cumsum(used.sum(axis=2).ravel()).reshape(used.shape[:2])
    at, weight = np.stack([found.low, found.high], axis=2), np.stack([1 - found.part, found.part], axis=2)
    low = np.where(used, at, n).min(axis=(1, 2), initial=n)
    high = np.where(used, at + 1, 0).max(axis=(1, 2), initial=0)
    return Taps(last - used.sum(axis=2), last, at[used], weight[used].astype(dtype), low, high)


def _both(boxes: Array, size: Sequence[int], shape: Sequence[int], method: str, unit: str) -> tuple[Samples, Samples]:
    rows, columns = (samples(boxes[:, a], boxes[:, a + 2], size[a], shape[2 + a], method, unit) for a in (0, 1))
    return rows, columns


def _crop(
    channels: bool, x: Array, boxes: Array, index: Array, size: Pair, method: str, extrapolation: float, unit: str
) -> Array:
    out, (N, C, H, W) = pair(size), x.shape
    vertical, horizontal = _both(boxes, out, x.shape, method, unit)
    rows, columns = _taps(vertical, H, x.dtype), _taps(horizontal, W, x.dtype)
    y, maps, images = np.empty((len(boxes), C, *out), x.dtype), np.ascontiguousarray(x), by_image(index[:, None], N)
    if channels:
        columns, runs = numba_channels._runs(columns, W)
        block, threads = min(BLOCK, max(C, 1)), get_num_threads()
        numba_channels._forward(maps, *images, rows, columns, runs, block, threads, y)
    else:
        numba_align._forward(maps, *images, rows, columns, y)
    k, i, j = np.nonzero(~(vertical.inside[:, :, None] & horizontal.inside[:, None, :]))
    y[k, :, i, j] = extrapolation
    return y


def _crop_back(
    channels: bool, g: Array, boxes: Array, index: Array, shape: Sequence[int], method: str, unit: str
) -> Array:
    N, C, H, W = shape
    vertical, horizontal = _both(boxes, g.shape[2:], shape, method, unit)
    rows, columns = _taps(vertical, H, g.dtype), _taps(horizontal, W, g.dtype)
    gx, given, images = np.empty((N, C, H, W), g.dtype), np.ascontiguousarray(g), by_image(index[:, None], N)
    if channels:
        columns, runs = numba_channels._runs(columns, W)
        block, threads = min(BLOCK, max(C, 1)), get_num_threads()
        numba_channels._backward(given, *images, rows, columns, runs, block, threads, gx)
    else:
        numba_align._backward(given, *images, rows, columns, gx)
    return gx


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(plane: Any, g: Any, rows: Any, columns: Any, k: int, down: Any, across: Any) -> None:
    """Add one channel's gradients by the places of the rows and of the columns of box ``k``."""
    for i in range(len(down)):
        if not rows.inside[k, i]:
            continue
        top, bottom, u = plane[rows.low[k, i]], plane[rows.high[k, i]], rows.part[k, i]
        for j in range(len(across)):
            if columns.inside[k, j]:
                left, right, v = columns.low[k, j], columns.high[k, j], columns.part[k, j]
                a, b = np.float64(top[left]), np.float64(top[right])
                d, e = np.float64(bottom[left]), np.float64(bottom[right])
                down[i] += g[i, j] * ((1 - v) * (d - a) + v * (e - b))
                across[j] += g[i, j] * ((1 - u) * (b - a) + u * (e - d))


@njit(cache=True, parallel=True, error_model="numpy")
def _by_boxes(g: Any, x: Any, index: Any, rows: Any, columns: Any, height: int, width: int, gb: Any) -> None:
    K, C, oh, ow = g.shape
    for k in prange(K):
        down, across = np.zeros(oh), np.zeros(ow)
        for c in range(C):
            _slopes(x[index[k], c], g[k, c], rows, columns, k, down, across)
        for side in range(2):
            slopes, share, many = (across, columns.share, width) if side else (down, rows.share, height)
            first = second = 0.0
            for i in range(len(slopes)):
                first += (1 - share[i]) * slopes[i] * many
                second += share[i] * slopes[i] * many
            gb[k, side], gb[k, side + 2] = first, second


def crop_and_resize(
    x: Array,
    boxes: Array,
    index: Array,
    *,
    size: Pair,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> Array:
    """As ``minidet_kernels.crop_and_resize``; weights and sums in the dtype of ``x``."""
    return _crop(False, x, boxes, index, size, method, extrapolation, unit)


def crop_and_resize_channels(
    x: Array,
    boxes: Array,
    index: Array,
    *,
    size: Pair,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> Array:
    """As ``minidet_kernels.crop_and_resize``, with the channels last."""
    return _crop(True, x, boxes, index, size, method, extrapolation, unit)


def crop_and_resize_grad_x(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_x``; weights and sums in the dtype of ``g``."""
    return _crop_back(False, g, boxes, index, shape, method, unit)


def crop_and_resize_channels_grad_x(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_x``, with the channels last."""
    return _crop_back(True, g, boxes, index, shape, method, unit)


def crop_and_resize_grad_boxes(g: Array, x: Array, boxes: Array, index: Array, *, unit: str = "last") -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_boxes``, summed in float64."""
    rows, columns = _both(boxes, g.shape[2:], x.shape, "bilinear", unit)
    gb, images = np.empty((len(boxes), 4)), index.astype(np.int64)
    given, maps = np.ascontiguousarray(g), np.ascontiguousarray(x)
    _by_boxes(given, maps, images, rows, columns, length(unit, x.shape[2]), length(unit, x.shape[3]), gb)
    return gb.astype(boxes.dtype)
