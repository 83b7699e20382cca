"""RoIAlign with the channels last: the same sums of rows and columns as ``numba_align``, for many channels at once.

A block of channels of one image is first copied so that the channels of an element lie side by side.  Then every step
is a vector operation over the block, however narrow a region is: rows are blended over the columns that the region
takes, and the blend's columns are added up, bin by bin.  The copy pays where regions are many.

In the gradient a block of channels is one thread's, which adds the regions in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .geometry import Pair, axes, pair
from .numba_align import Taps, by_image, taps

#: Channels in a block: their copy of a map of 200 x 304 takes 8 MB, and 32 float32 are four vectors of AVX2.
BLOCK = 32

#: Unused columns between used ones that are blended along rather than jumped over.
GAP = 2


class Runs(NamedTuple):
    """The columns that each region takes, as runs: ``length[r]`` columns from ``start[r]``, first[k] <= r < first[k+1].

    Laid side by side they are the region's own numbering of columns, which ``Taps.at`` then refers to.
    """

    first: np.ndarray
    start: np.ndarray
    length: np.ndarray
    widest: int


@njit(cache=True, nogil=True, error_model="numpy")
def _find(columns: Any, n: int, first: Any, start: Any, length: Any, at: Any) -> int:
    used, place = np.full(n, -1, np.int64), np.empty(n, np.int64)
    r = widest = 0
    for k in range(len(columns.low)):
        first[k] = r
        begin, end = columns.first[k, 0], columns.last[k, -1]
        for t in range(begin, end):
            used[columns.at[t]] = k
        width, latest = 0, -n
        for c in range(columns.low[k], columns.high[k]):
            if used[c] != k:
                continue
            if r > first[k] and c - latest <= GAP:  # bridge what lies between
                width += c - latest
                length[r - 1] += c - latest
            else:
                start[r], length[r] = c, 1
                width += 1
                r += 1
            place[c], latest = width - 1, c
        for t in range(begin, end):
            at[t] = place[columns.at[t]]
        widest = max(widest, width)
    first[len(columns.low)] = r
    return widest


def _runs(columns: Taps, n: int) -> tuple[Taps, Runs]:
    K, most = len(columns.low), len(columns.at)
    first, start, length = np.empty(K + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    at = np.empty_like(columns.at)
    widest = _find(columns, n, first, start, length, at)
    return columns._replace(at=at), Runs(first, start, length, int(widest))


@njit(cache=True, nogil=True, error_model="numpy")
def pack(maps: Any, packed: Any) -> None:
    """Maps (B, H, W) to (H, W * B), eight channels at a time, so that what is read stays in the cache."""
    B, H, W = maps.shape
    for h in range(H):
        for first in range(0, B, 8):
            for w in range(W):
                for b in range(first, min(first + 8, B)):
                    packed[h, w * B + b] = maps[b, h, w]


@njit(cache=True, nogil=True, error_model="numpy")
def _unpack(packed: Any, maps: Any) -> None:
    B, H, W = maps.shape
    for h in range(H):
        for first in range(0, W, 16):
            for b in range(B):
                for w in range(first, min(first + 16, W)):
                    maps[b, h, w] = packed[h, w * B + b]


@njit(cache=True, nogil=True, error_model="numpy")
def _add(into: Any, w: Any, values: Any) -> None:
    for j in range(len(into)):
        into[j] += w * values[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_two(into: Any, w: Any, values: Any, v: Any, others: Any) -> None:
    for j in range(len(into)):
        into[j] += w * values[j] + v * others[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _region(packed: Any, B: int, k: int, rows: Any, columns: Any, runs: Any, line: Any, tile: Any) -> None:
    """The bins of region ``k`` for a block: ``tile`` (oh, ow, B), from ``packed`` (H, W * B)."""
    oh, ow = tile.shape[:2]
    tile[:] = 0
    for i in range(oh):
        begin, end = rows.first[k, i], rows.last[k, i]
        line[:] = 0
        to = 0
        for r in range(runs.first[k], runs.first[k + 1]):
            low, high = runs.start[r] * B, (runs.start[r] + runs.length[r]) * B
            into = line[to : to + high - low]
            to += high - low
            for t in range(begin, end - 1, 2):
                _add_two(
                    into, rows.weight[t], packed[rows.at[t], low:high],
                    rows.weight[t + 1], packed[rows.at[t + 1], low:high],
                )  # fmt: skip
            if (end - begin) % 2:
                _add(into, rows.weight[end - 1], packed[rows.at[end - 1], low:high])
        for j in range(ow):
            for s in range(columns.first[k, j], columns.last[k, j]):
                at = columns.at[s] * B
                _add(tile[i, j], columns.weight[s], line[at : at + B])


@njit(cache=True, nogil=True, error_model="numpy")
def _region_back(tile: Any, B: int, k: int, rows: Any, columns: Any, runs: Any, line: Any, packed: Any) -> None:
    """Add the bins' gradients ``tile`` (oh, ow, B) of region ``k`` to ``packed`` (H, W * B)."""
    oh, ow = tile.shape[:2]
    for i in range(oh):
        line[:] = 0
        for j in range(ow):
            for s in range(columns.first[k, j], columns.last[k, j]):
                at = columns.at[s] * B
                _add(line[at : at + B], columns.weight[s], tile[i, j])
        to = 0
        for r in range(runs.first[k], runs.first[k + 1]):
            low, high = runs.start[r] * B, (runs.start[r] + runs.length[r]) * B
            for t in range(rows.first[k, i], rows.last[k, i]):
                _add(packed[rows.at[t], low:high], rows.weight[t], line[to : to + high - low])
            to += high - low


@njit(cache=True, parallel=True, error_model="numpy")
def _forward(
    x: Any, order: Any, ends: Any, rows: Any, columns: Any, runs: Any, block: int, threads: int, y: Any
) -> None:
    N, C, H, W = x.shape
    _, _, oh, ow = y.shape
    blocks = (C + block - 1) // block
    for thread in prange(threads):
        memory = np.empty(H * W * block, x.dtype)
        for task in range(thread, N * blocks, threads):
            n, c = task // blocks, task % blocks * block
            B = min(block, C - c)
            packed = memory[: H * W * B].reshape(H, W * B)
            line, tile = np.empty(runs.widest * B, x.dtype), np.empty((oh, ow, B), x.dtype)
            if ends[n] < ends[n + 1]:
                pack(x[n, c : c + B], packed)
            for o in range(ends[n], ends[n + 1]):
                k = order[o]
                used = 0
                for r in range(runs.first[k], runs.first[k + 1]):
                    used += runs.length[r]
                _region(packed, B, k, rows, columns, runs, line[: used * B], tile)
                for b in range(B):
                    for i in range(oh):
                        for j in range(ow):
                            y[k, c + b, i, j] = tile[i, j, b]


@njit(cache=True, parallel=True, error_model="numpy")
def _backward(
    g: Any, order: Any, ends: Any, rows: Any, columns: Any, runs: Any, block: int, threads: int, x: Any
) -> None:
    N, C, H, W = x.shape
    _, _, oh, ow = g.shape
    blocks = (C + block - 1) // block
    for thread in prange(threads):
        memory = np.empty(H * W * block, x.dtype)
        for task in range(thread, N * blocks, threads):
            n, c = task // blocks, task % blocks * block
            B = min(block, C - c)
            packed = memory[: H * W * B].reshape(H, W * B)
            line, tile = np.empty(runs.widest * B, x.dtype), np.empty((oh, ow, B), x.dtype)
            packed[:] = 0
            for o in range(ends[n], ends[n + 1]):
                k = order[o]
                used = 0
                for r in range(runs.first[k], runs.first[k + 1]):
                    used += runs.length[r]
                for b in range(B):
                    for i in range(oh):
                        for j in range(ow):
                            tile[i, j, b] = g[k, c + b, i, j]
                _region_back(tile, B, k, rows, columns, runs, line[: used * B], packed)
            _unpack(packed, x[n, c : c + B])


def roi_align(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> Array:
    """As ``minidet_kernels.roi_align``, mode ``"avg"``; weights and sums in the dtype of ``x``."""
    out, (N, C, H, W) = pair(output_size), x.shape
    lines = axes(rois, out, spatial_scale, sampling_ratio, aligned, min_size)
    rows, columns = (taps(a, m, n, outside, x.dtype) for a, m, n in zip(lines, out, (H, W), strict=True))
    columns, runs = _runs(columns, W)
    y = np.empty((len(rois), C, *out), x.dtype)
    block, threads = min(BLOCK, max(C, 1)), get_num_threads()
    _forward(np.ascontiguousarray(x), *by_image(rois, N), rows, columns, runs, block, threads, y)
    return y


def roi_align_grad_x(
    g: Array,
    rois: Array,
    x: Array | None = None,
    *,
    shape: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> Array:
    """As ``minidet_kernels.roi_align_grad_x``, mode ``"avg"``; weights and sums in the dtype of ``g``."""
    out, (N, C, H, W) = (g.shape[2], g.shape[3]), shape
    lines = axes(rois, out, spatial_scale, sampling_ratio, aligned, min_size)
    rows, columns = (taps(a, m, n, outside, g.dtype) for a, m, n in zip(lines, out, (H, W), strict=True))
    columns, runs = _runs(columns, W)
    gx = np.empty((N, C, H, W), g.dtype)
    block, threads = min(BLOCK, max(C, 1)), get_num_threads()
    _backward(np.ascontiguousarray(g), *by_image(rois, N), rows, columns, runs, block, threads, gx)
    return gx
