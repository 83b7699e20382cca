"""RoIAlign's maximum: every sample of every bin, one map (one channel of one image) after another.

A maximum is no weighted sum, so rows cannot be blended beforehand.  The samples' places are found once for each region
and used for every channel; a map stays in the cache while all its regions are read from it, and in the gradient every
sum is one thread's, in the order of the regions.  Samples are computed in float64, operation by operation as in the
definition: so of nearly equal samples both take the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange

from ..arrays import Array
from .geometry import Axis, Pair, axes, pair
from .numba_align import by_image


class Places(NamedTuple):
    """The samples along one axis: bin ``i`` of region ``k`` has ``grid[k]``, from ``first[k] + i * grid[k]`` on.

    Each lies between ``element`` and ``other``, of which it takes the shares ``near`` and ``far`` (both 0 outside).
    """

    grid: np.ndarray
    first: np.ndarray
    element: np.ndarray
    other: np.ndarray
    near: np.ndarray
    far: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def _find(
    start: Any, step: Any, grid: Any, out: int, n: int, before: float, behind: float,
    element: Any, other: Any, near: Any, far: Any,
) -> None:  # fmt: skip
    t = 0
    for k in range(len(start)):
        for i in range(out):
            for u in range(grid[k]):
                p = start[k] + i * step[k] + (u + 0.5) * step[k] / grid[k]
                inside = before <= p <= behind
                p = min(max(p, 0.0), n - 1.0)
                low = int(np.floor(p))
                part = p - low
                element[t], other[t] = low, min(low + 1, n - 1)
                near[t], far[t] = (1 - part, part) if inside else (0.0, 0.0)
                t += 1


def places(axis: Axis, out: int, n: int, outside: str) -> Places:
    """The samples of every region along an axis of ``n`` elements."""
    before, behind = {"margin": (-1, n), "zero": (0, n - 1), "border": (-np.inf, np.inf)}[outside]
    first = out * (np.cumsum(axis.grid) - axis.grid)
    element, other = (np.empty(out * int(axis.grid.sum()), np.int64) for _ in range(2))
    near, far = np.empty(len(element)), np.empty(len(element))
    _find(*axis, out, n, float(before), float(behind), element, other, near, far)
    return Places(axis.grid, first, element, other, near, far)


@njit(cache=True, nogil=True, error_model="numpy")
def _greater(v: float, best: float) -> bool:
    """Whether ``v`` takes the place of ``best``, which came before it; NaN is greatest."""
    return v > best or (v != v and best == best)


@njit(cache=True, nogil=True, error_model="numpy")
def _greatest(plane: Any, rows: Any, r: int, gh: int, columns: Any, c: int, gw: int, corners: bool) -> Any:
    """Of the samples from ``r`` and ``c`` on: the first greatest, its row's and its column's number, its corner."""
    best, at_row, at_column, corner = -np.inf, -1, -1, 0
    for m in range(gh):
        s = np.uint64(r + m)  # unsigned: no test for a negative index
        top, bottom, u0, u1 = np.uint64(rows.element[s]), np.uint64(rows.other[s]), rows.near[s], rows.far[s]
        for n in range(gw):
            t = np.uint64(c + n)
            left, right = np.uint64(columns.element[t]), np.uint64(columns.other[t])
            v0, v1 = columns.near[t], columns.far[t]
            a, b = np.float64(plane[top, left]) * (u0 * v0), np.float64(plane[top, right]) * (u0 * v1)
            d, e = np.float64(plane[bottom, left]) * (u1 * v0), np.float64(plane[bottom, right]) * (u1 * v1)
            if corners:
                for number, value in enumerate((a, b, d, e)):
                    if at_row < 0 or _greater(value, best):
                        best, at_row, at_column, corner = value, r + m, c + n, number
            else:
                value = (a + b) + (d + e)
                if at_row < 0 or _greater(value, best):
                    best, at_row, at_column = value, r + m, c + n
    return best, at_row, at_column, corner


@njit(cache=True, parallel=True, error_model="numpy")
def _forward(x: Any, order: Any, ends: Any, rows: Any, columns: Any, corners: bool, y: Any) -> None:
    N, C = x.shape[:2]
    _, _, oh, ow = y.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            gh, gw = rows.grid[k], columns.grid[k]
            for i in range(oh):
                for j in range(ow):
                    found = _greatest(
                        x[n, c], rows, rows.first[k] + i * gh, gh, columns, columns.first[k] + j * gw, gw, corners
                    )
                    y[k, c, i, j] = found[0] if gh * gw else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _send(plane: Any, rows: Any, s: int, columns: Any, t: int, corners: bool, corner: int, g: float) -> None:
    """Add ``g`` to the elements that the sample of row ``s`` and column ``t`` is made of, or to one of them."""
    for number in range(4):
        if not corners or number == corner:
            r, u = (rows.other[s], rows.far[s]) if number // 2 else (rows.element[s], rows.near[s])
            c, v = (columns.other[t], columns.far[t]) if number % 2 else (columns.element[t], columns.near[t])
            plane[r, c] += g * (u * v)


@njit(cache=True, parallel=True, error_model="numpy")
def _backward(g: Any, x: Any, order: Any, ends: Any, rows: Any, columns: Any, corners: bool, gx: Any) -> None:
    N, C = x.shape[:2]
    _, _, oh, ow = g.shape
    for p in prange(N * C):
        n, c = p // C, p % C
        plane = gx[n, c]
        plane[:] = 0
        for o in range(ends[n], ends[n + 1]):
            k = order[o]
            gh, gw = rows.grid[k], columns.grid[k]
            for i in range(oh):
                for j in range(ow):
                    _, s, t, corner = _greatest(
                        x[n, c], rows, rows.first[k] + i * gh, gh, columns, columns.first[k] + j * gw, gw, corners
                    )
                    if s >= 0:
                        _send(plane, rows, s, columns, t, corners, corner, g[k, c, i, j])


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
    """As ``minidet_kernels.roi_align``, mode ``"max"``: the same bits."""
    out, (N, C, H, W) = pair(output_size), x.shape
    lines = axes(rois, out, spatial_scale, sampling_ratio, aligned, min_size)
    rows, columns = (places(a, m, n, outside) for a, m, n in zip(lines, out, (H, W), strict=True))
    y = np.empty((len(rois), C, *out), x.dtype)
    _forward(np.ascontiguousarray(x), *by_image(rois, N), rows, columns, max_of == "corners", y)
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
    """As ``minidet_kernels.roi_align_grad_x``, mode ``"max"``; summed in the dtype of ``g``."""
    assert x is not None
    out, (N, C, H, W) = (g.shape[2], g.shape[3]), shape
    lines = axes(rois, out, spatial_scale, sampling_ratio, aligned, min_size)
    rows, columns = (places(a, m, n, outside) for a, m, n in zip(lines, out, (H, W), strict=True))
    gx, given, maps = np.empty((N, C, H, W), g.dtype), np.ascontiguousarray(g), np.ascontiguousarray(x)
    _backward(given, maps, *by_image(rois, N), rows, columns, max_of == "corners", gx)
    return gx
