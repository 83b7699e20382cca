"""Resizing as two sparse maps, the zeros of the weight matrices left out: every mode, and its transpose, alike.

Large maps are shared among the threads, by planes and bands of rows.  What an output is does not depend on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .axis import resolve, weights

#: Elements, read and written, that are worth a second thread.
SHARE = 1 << 17

#: One axis's map by taps: output ``j`` is the sum over t of ``weight[t, j]`` times input ``source[t, j]``; (t, m) each.
Taps = tuple[np.ndarray, np.ndarray]


@lru_cache(maxsize=64)
def _taps(n: int, m: int, options: tuple[str, str, str, bool], transpose: bool, dtype: np.dtype[Any]) -> Taps:
    w = weights(n, m, *options)
    w = w.T if transpose else w
    row, column = np.nonzero(w)
    tap = np.arange(len(row)) - np.searchsorted(row, row)  # counted within each row
    source = np.zeros((tap.max(initial=0) + 1, len(w)), np.int32)
    weight = np.zeros(source.shape, dtype)  # an output with fewer taps than others has taps of weight zero
    source[tap, row], weight[tap, row] = column, w[row, column]
    return source, weight


@njit(cache=True, nogil=True, error_model="numpy")
def _along(line: Any, source: Any, weight: Any, out: Any) -> None:
    """One row through the map of the horizontal axis."""
    for t in range(len(source)):
        s, w = source[t], weight[t]
        if t == 0:
            for j in range(len(out)):
                out[j] = w[j] * line[np.uint32(s[j])]
        else:
            for j in range(len(out)):
                out[j] += w[j] * line[np.uint32(s[j])]


@njit(cache=True, nogil=True, error_model="numpy")
def _across(plane: Any, i: int, source: Any, weight: Any, out: Any) -> None:
    """Row ``i`` of the map of the vertical axis."""
    for t in range(len(source)):
        w, line = weight[t, i], plane[source[t, i]]
        if t == 0:
            for c in range(len(out)):
                out[c] = w * line[c]
        elif w != 0:
            for c in range(len(out)):
                out[c] += w * line[c]


@njit(cache=True, nogil=True, error_model="numpy")
def _narrow(
    plane: Any, i: int, row_source: Any, row_weight: Any, source: Any, weight: Any, part: Any, out: Any
) -> None:
    """Row ``i`` of the outputs, of few columns: each of its rows is first taken along, so that no others are read."""
    if len(row_source) == 2 and len(source) == 2:  # bilinear: all four neighbours at once
        u0, u1 = row_weight[0, i], row_weight[1, i]
        top, bottom = plane[row_source[0, i]], plane[row_source[1, i]]
        left, right, v0, v1 = source[0], source[1], weight[0], weight[1]
        for j in range(len(out)):
            a, b = np.uint32(left[j]), np.uint32(right[j])
            out[j] = u0 * (v0[j] * top[a] + v1[j] * top[b]) + u1 * (v0[j] * bottom[a] + v1[j] * bottom[b])
        return
    for t in range(len(row_source)):
        w, line = row_weight[t, i], plane[row_source[t, i]]
        if t == 0:
            _along(line, source, weight, out)
            if w != 1:
                for j in range(len(out)):
                    out[j] *= w
        elif w != 0:
            _along(line, source, weight, part)
            for j in range(len(out)):
                out[j] += w * part[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _band(
    plane: Any, first: int, last: int, row_source: Any, row_weight: Any, source: Any, weight: Any, y: Any
) -> None:
    """Rows ``first`` to ``last`` of the outputs of a plane."""
    (H, W), (oh, ow) = plane.shape, y.shape
    if oh > H:  # along the fewer rows: those of the input that these outputs are made of
        low, high = H, 0
        for t in range(len(row_source)):
            for i in range(first, last):
                if row_weight[t, i] != 0:
                    low, high = min(low, row_source[t, i]), max(high, row_source[t, i] + 1)
        wide = np.zeros((H, ow), plane.dtype)  # a tap of weight zero may be of any row
        for r in range(low, high):
            _along(plane[r], source, weight, wide[r])
        for i in range(first, last):
            _across(wide, i, row_source, row_weight, y[i])
    elif len(source) * ow < W:
        part = np.empty(ow, plane.dtype)
        for i in range(first, last):
            _narrow(plane, i, row_source, row_weight, source, weight, part, y[i])
    else:
        line = np.empty(W, plane.dtype)
        for i in range(first, last):
            _across(plane, i, row_source, row_weight, line)
            _along(line, source, weight, y[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _alone(x: Any, row_source: Any, row_weight: Any, source: Any, weight: Any, y: Any) -> None:
    for p in range(len(x)):
        _band(x[p], 0, y.shape[1], row_source, row_weight, source, weight, y[p])


@njit(cache=True, parallel=True, error_model="numpy")
def _together(x: Any, row_source: Any, row_weight: Any, source: Any, weight: Any, bands: int, y: Any) -> None:
    for task in prange(len(x) * bands):
        p, b, oh = task // bands, task % bands, y.shape[1]
        _band(x[p], oh * b // bands, oh * (b + 1) // bands, row_source, row_weight, source, weight, y[p])


def _resize(x: Array, size: tuple[int, int], rows: Taps, columns: Taps) -> Array:
    N, C, H, W = x.shape
    planes, y = np.ascontiguousarray(x).reshape(N * C, H, W), np.empty((N * C, *size), x.dtype)
    threads = get_num_threads()
    if threads == 1 or y.size + min(x.size, 4 * y.size) < SHARE:
        _alone(planes, *rows, *columns, y)
    else:
        bands = min(size[0], -(-4 * threads // max(len(planes), 1)))  # some for each thread, of few planes too
        _together(planes, *rows, *columns, bands, y)
    return y.reshape(N, C, *size)


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize``."""
    options, (oh, ow) = (mode, resolve(mode, coordinates), rounding, antialias), size
    maps = (_taps(n, m, options, False, x.dtype) for n, m in zip(x.shape[2:], (oh, ow), strict=True))
    return _resize(x, (oh, ow), *maps)


def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize_grad_x``."""
    options, (H, W) = (mode, resolve(mode, coordinates), rounding, antialias), shape[2:]
    maps = (_taps(n, m, options, True, g.dtype) for n, m in zip((H, W), g.shape[2:], strict=True))
    return _resize(g, (H, W), *maps)
