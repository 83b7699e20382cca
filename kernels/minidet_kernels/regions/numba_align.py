"""RoIAlign as two sparse maps, of the rows and of the columns, found once for each region and applied to every channel.

The mean of a bin's samples is a weighted sum of a few rows, and then of a few columns.  The weights of samples that
share an element are added beforehand.  Work goes map by map (one channel of one image), so that a map stays in the
cache while all its regions are read from it; and so that in the gradient every sum is one thread's, in the order of the
regions, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from ..arrays import Array
from .geometry import Axis, Pair, axes, pair


class Taps(NamedTuple):
    """One axis: bin ``i`` of region ``k`` is the sum of ``weight[t] * a[at[t]]``, t from ``first[k, i]`` to ``last``.

    ``low`` and ``high`` (K,) are the least element that a region takes, and one past the greatest.
    """

    first: np.ndarray
    last: np.ndarray
    at: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    start: Any, step: Any, grid: Any, n: int, before: float, behind: float,
    first: Any, last: Any, at: Any, weight: Any, low: Any, high: Any,
) -> int:  # fmt: skip
    t = 0
    for k in range(len(start)):
        low[k], high[k] = n, 0
        for i in range(first.shape[1]):
            first[k, i] = t
            for u in range(grid[k]):
                p = start[k] + i * step[k] + (u + 0.5) * step[k] / grid[k]
                if not (before <= p <= behind):
                    continue
                p = min(max(p, 0.0), n - 1.0)
                element = int(np.floor(p))
                part = p - element
                for side in range(2):
                    w = part if side else 1 - part
                    if w == 0:
                        continue
                    a = element + side
                    low[k], high[k] = min(low[k], a), max(high[k], a + 1)
                    into = t
                    for s in range(max(first[k, i], t - 3), t):  # neighbours in a row share their elements
                        if at[s] == a:
                            into = s
                    if into == t:
                        at[t], weight[t] = a, 0
                        t += 1
                    weight[into] += w / grid[k]
            last[k, i] = t
    return t


def taps(axis: Axis, out: int, n: int, outside: str, dtype: np.dtype[Any]) -> Taps:
    """The sums of elements that the bins of every region are, along one axis of ``n`` elements."""
    K, most = len(axis.start), 2 * out * int(axis.grid.sum())
    before, behind = {"margin": (-1, n), "zero": (0, n - 1), "border": (-np.inf, np.inf)}[outside]
    first, last = np.empty((K, out), np.int64), np.empty((K, out), np.int64)
    at, weight = np.empty(most, np.int64), np.empty(most)
    low, high = np.empty(K, np.int64), np.empty(K, np.int64)
    used = _fill(*axis, n, float(before), float(behind), first, last, at, weight, low, high)
    return Taps(first, last, at[:used], weight[:used].astype(dtype), low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend(plane: Any, at: Any, weight: Any, t: int, end: int, low: int, line: Any) -> None:
    """``line[:] = sum of weight[t] * plane[at[t], low:]``, two rows at a time."""
    w = weight[t]
    row = plane[at[t], low : low + len(line)]
    if t + 1 < end:
        v = weight[t + 1]
        other = plane[at[t + 1], low : low + len(line)]
        for j in range(len(line)):
            line[j] = w * row[j] + v * other[j]
    else:
        for j in range(len(line)):
            line[j] = w * row[j]
    for s in range(t + 2, end - 1, 2):
        w, v = weight[s], weight[s + 1]
        row, other = plane[at[s], low : low + len(line)], plane[at[s + 1], low : low + len(line)]
        for j in range(len(line)):
            line[j] += w * row[j] + v * other[j]
    if end - t > 2 and (end - t) % 2:
        w = weight[end - 1]
        row = plane[at[end - 1], low : low + len(line)]
        for j in range(len(line)):
            line[j] += w * row[j]


@njit(cache=True, parallel=True, error_model="numpy")
def _forward(x: Any, order: Any, ends: Any, rows: Any, columns: Any, y: Any) -> None:
    N, C, _, W = x.shape
    _, _, oh, ow = y.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        plane, buffer = x[n, c], np.empty(W, x.dtype)
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            low = columns.low[k]
            line = buffer[: max(columns.high[k] - low, 0)]
            for i in range(oh):
                t, end = rows.first[k, i], rows.last[k, i]
                if t == end or len(line) == 0:
                    y[k, c, i] = 0
                    continue
                _blend(plane, rows.at, rows.weight, t, end, low, line)
                for j in range(ow):
                    total = x.dtype.type(0)
                    for s in range(columns.first[k, j], columns.last[k, j]):
                        total += columns.weight[s] * line[columns.at[s] - low]
                    y[k, c, i, j] = total


@njit(cache=True, parallel=True, error_model="numpy")
def _backward(g: Any, order: Any, ends: Any, rows: Any, columns: Any, x: Any) -> None:
    N, C, _, W = x.shape
    _, _, oh, ow = g.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        plane, buffer = x[n, c], np.empty(W, x.dtype)
        plane[:] = 0
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            low = columns.low[k]
            line = buffer[: max(columns.high[k] - low, 0)]
            for i in range(oh):
                line[:] = 0
                for j in range(ow):
                    v = g[k, c, i, j]
                    for s in range(columns.first[k, j], columns.last[k, j]):
                        line[columns.at[s] - low] += columns.weight[s] * v
                for t in range(rows.first[k, i], rows.last[k, i]):
                    w = rows.weight[t]
                    row = plane[rows.at[t], low : low + len(line)]
                    for j in range(len(line)):
                        row[j] += w * line[j]


def by_image(rois: Array, images: int) -> tuple[np.ndarray, np.ndarray]:
    """The regions in the order of their images, and where each image's begin (and the last one's end)."""
    image = rois[:, 0].astype(np.int64)
    order = np.argsort(image, kind="stable")
    return order, np.searchsorted(image[order], np.arange(images + 1))


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
    y = np.empty((len(rois), C, *out), x.dtype)
    _forward(np.ascontiguousarray(x), *by_image(rois, N), rows, columns, y)
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
    gx = np.empty((N, C, H, W), g.dtype)
    _backward(np.ascontiguousarray(g), *by_image(rois, N), rows, columns, gx)
    return gx
