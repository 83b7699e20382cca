"""Runs cut at the borders of columns, so that two masks are compared many columns at a time.

Within a column a span of ones is two numbers, top and bottom, and two spans share ``min(bottoms) - max(tops)`` pixels
or none.  The first span of every column of a mask is one layer, the second spans another: most masks have few.  A
layer is two rows of numbers without a branch or an order to follow, so a pair of layers is one vectorised sum over
the columns that both masks' boxes have.  Masks of more than ``MOST`` layers, specks and noise, are walked as in
``numba_cpu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap.check import EMPTY
from ..overlap.shares import in_shares
from . import numba_cpu

#: Layers of a mask, at most; pairs that are worth a thread.
MOST, SHARE = 8, 1 << 14


@njit(cache=True, nogil=True)
def _pieces(counts: Any, splits: Any, h: int, pieces: Any, first: Any, box: Any, area: Any, layers: Any) -> None:
    """Spans of every column: column, top, bottom and layer of each, in ``pieces`` (4, P); and what ``_fill`` asks for.

    ``box`` is x1, y1, x2, y2 around each mask, ``first`` where its pieces begin.
    """
    k = 0
    for n in range(len(splits) - 1):
        first[n] = k
        x, edge, last, layer, y1, y2 = 0, h, -1, 0, h, 0  # edge: where column x ends
        at: Any = 0
        for r in range(splits[n], splits[n + 1]):
            end = at + counts[r]
            if (r - splits[n]) % 2 == 0:
                at = end
            while at < end:
                while edge <= at:
                    x += 1
                    edge += h
                stop = min(end, edge)
                layer = layer + 1 if x == last else 0
                top, bottom = at - edge + h, stop - edge + h
                pieces[0, k], pieces[1, k], pieces[2, k], pieces[3, k] = x, top, bottom, layer
                y1, y2, last = min(y1, top), max(y2, bottom), x
                layers[n] = max(layers[n], layer + 1)
                area[n] += stop - at
                k += 1
                at = stop
        box[n, 0], box[n, 2] = (pieces[0, first[n]], last + 1) if k > first[n] else (0, 0)
        box[n, 1], box[n, 3] = y1, y2
    first[len(splits) - 1] = k


@njit(cache=True, nogil=True)
def _spread(pieces: Any, first: Any, box: Any, base: Any, tops: Any, bottoms: Any) -> None:
    """Put each piece into its layer: of mask ``n``, layer ``l`` begins at ``base[n] + l * width``, width of the box."""
    for n in range(len(base) - 1):
        x1, width = box[n, 0], box[n, 2] - box[n, 0]
        for k in range(first[n], first[n + 1]):
            place = base[n] + pieces[3, k] * width + pieces[0, k] - x1
            tops[place], bottoms[place] = pieces[1, k], pieces[2, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(lo: int, hi: int, a: Any, b: Any, crowd: Any, nothing: float, out: Any) -> None:
    a_tops, a_bottoms, a_base, a_layers, a_box, a_area = a
    b_tops, b_bottoms, b_base, b_layers, b_box, b_area = b
    for m in range(lo, hi):
        for n in range(out.shape[1]):
            inter = np.int64(0)
            left, right = max(a_box[m, 0], b_box[n, 0]), min(a_box[m, 2], b_box[n, 2])
            if left < right and max(a_box[m, 1], b_box[n, 1]) < min(a_box[m, 3], b_box[n, 3]):
                for k in range(a_layers[m]):
                    p = a_base[m] + k * (a_box[m, 2] - a_box[m, 0]) + left - a_box[m, 0]
                    top, bottom = a_tops[p : p + right - left], a_bottoms[p : p + right - left]
                    for l in range(b_layers[n]):
                        q = b_base[n] + l * (b_box[n, 2] - b_box[n, 0]) + left - b_box[n, 0]
                        top_b, bottom_b = b_tops[q : q + right - left], b_bottoms[q : q + right - left]
                        pixels = np.int32(0)  # 32 bits throughout: twice as many columns at a time
                        for x in range(right - left):
                            shared = np.int32(min(bottom[x], bottom_b[x]) - max(top[x], top_b[x]))
                            pixels = np.int32(pixels + max(shared, np.int32(0)))
                        inter += pixels
            union = a_area[m] if crowd[n] else a_area[m] + b_area[n] - inter
            out[m, n] = nothing if union == 0 else inter / union


def _layers(counts: Array, splits: Array, h: int, w: int) -> tuple[Array, ...] | None:
    """What ``_fill`` needs of masks, or None where one has more than ``MOST`` layers."""
    n = len(splits) - 1
    pieces = np.empty((4, len(counts) // 2 + n * w), np.int32)
    first, box = np.empty(n + 1, np.int64), np.empty((n, 4), np.int64)
    area, layers = np.zeros(n, np.int64), np.zeros(n, np.int64)
    _pieces(counts.astype(np.int64), splits.astype(np.int64), h, pieces, first, box, area, layers)
    if layers.max(initial=0) > MOST:
        return None
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(layers * (box[:, 2] - box[:, 0]))])
    tops, bottoms = np.zeros(base[-1], np.int32), np.zeros(base[-1], np.int32)
    _spread(pieces, first, box, base, tops, bottoms)
    return tops, bottoms, base, layers, box, area


def mask_iou(
    a: Array,
    a_splits: Array,
    b: Array,
    b_splits: Array,
    crowd: Array | None = None,
    *,
    size: tuple[int, int],
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.mask_iou``."""
    m, n, (h, w) = len(a_splits) - 1, len(b_splits) - 1, map(int, size)
    rows, columns = (_layers(x, splits, max(1, h), w) for x, splits in ((a, a_splits), (b, b_splits)))
    if rows is None or columns is None:
        return numba_cpu.mask_iou(a, a_splits, b, b_splits, crowd, size=size, empty=empty)
    flags = np.zeros(n, np.bool_) if crowd is None else np.ascontiguousarray(crowd)
    out = np.empty((m, n), np.float64)

    def work(start: int, stop: int) -> None:
        _fill(start, stop, rows, columns, flags, EMPTY[empty], out)

    in_shares(work, m, least=max(1, SHARE // max(1, n)))
    return out
