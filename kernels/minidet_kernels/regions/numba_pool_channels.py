"""RoIPool with the channels last: element by element of a bin, for a block of channels at once.

The copy with the channels last is that of ``numba_channels``.  The elements of a bin are gone through in row-major
order, so that keeping what is not less keeps the first maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .geometry import Pair, pair
from .numba_align import by_image
from .numba_channels import BLOCK, pack
from .whole import windows


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(best: Any, at: Any, values: Any, place: Any) -> None:
    """Let ``values``, found at ``place``, win where they are greater; NaN beats every number, and nothing beats NaN."""
    for b in range(len(best)):
        v, held = values[b], best[b]
        wins = (not (v <= held)) & (held == held)
        best[b] = v if wins else held
        at[b] = place if wins else at[b]


@njit(cache=True, nogil=True, error_model="numpy")
def _bin(packed: Any, top: int, bottom: int, left: int, right: int, best: Any, at: Any) -> None:
    """The first greatest element of one bin, and its index, for a block: from ``packed`` (H, W * B)."""
    B = len(best)
    W = packed.shape[1] // B
    if top >= bottom or left >= right:
        for b in range(B):
            best[b], at[b] = 0, -1
        return
    for b in range(B):
        best[b], at[b] = packed[top, left * B + b], top * W + left
    for r in range(top, bottom):
        for s in range(left, right):
            _keep(best, at, packed[r, s * B : s * B + B], np.int32(r * W + s))


@njit(cache=True, parallel=True, error_model="numpy")
def _forward(
    x: Any, order: Any, ends: Any, top: Any, bottom: Any, left: Any, right: Any,
    block: int, threads: int, y: Any, index: Any,
) -> None:  # fmt: skip
    N, C, H, W = x.shape
    _, _, oh, ow = y.shape
    blocks = (C + block - 1) // block
    for thread in prange(threads):
        memory = np.empty(H * W * block, x.dtype)
        for task in range(thread, N * blocks, threads):
            n, c = task // blocks, task % blocks * block
            B = min(block, C - c)
            packed = memory[: H * W * B].reshape(H, W * B)
            values, places = np.empty((oh, ow, B), x.dtype), np.empty((oh, ow, B), np.int32)
            if ends[n] < ends[n + 1]:
                pack(x[n, c : c + B], packed)
            for o in range(ends[n], ends[n + 1]):
                k = order[o]
                for i in range(oh):
                    for j in range(ow):
                        _bin(packed, top[k, i], bottom[k, i], left[k, j], right[k, j], values[i, j], places[i, j])
                for b in range(B):
                    for i in range(oh):
                        for j in range(ow):
                            y[k, c + b, i, j], index[k, c + b, i, j] = values[i, j, b], places[i, j, b]


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
    N, C = x.shape[:2]
    shape = (len(rois), C, *pair(output_size))
    (top, bottom), (left, right) = windows(rois, output_size, x.shape[2:], spatial_scale, rounding, end, bins)
    y, index = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    block, threads = min(BLOCK, max(C, 1)), get_num_threads()
    _forward(np.ascontiguousarray(x), *by_image(rois, N), top, bottom, left, right, block, threads, y, index)
    return y, index
