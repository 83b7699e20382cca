"""Resizing as two sparse maps, the zeros of the weight matrices left out: every mode, and its transpose, alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .axis import resolve, weights

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
def _apply(x: Any, row_source: Any, row_weight: Any, source: Any, weight: Any, y: Any) -> None:
    planes, H, W = x.shape
    _, oh, ow = y.shape
    wide, line = np.empty((H, ow), x.dtype), np.empty(W, x.dtype)
    for p in range(planes):
        if oh > H:  # along the fewer rows: those of x
            for r in range(H):
                _along(x[p, r], source, weight, wide[r])
            for i in range(oh):
                _across(wide, i, row_source, row_weight, y[p, i])
        else:
            for i in range(oh):
                _across(x[p], i, row_source, row_weight, line)
                _along(line, source, weight, y[p, i])


def _resize(x: Array, size: tuple[int, int], rows: Taps, columns: Taps) -> Array:
    N, C, H, W = x.shape
    y = np.empty((N * C, *size), x.dtype)
    _apply(np.ascontiguousarray(x).reshape(N * C, H, W), *rows, *columns, y)
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
