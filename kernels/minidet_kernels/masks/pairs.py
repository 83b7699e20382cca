"""IoU of chosen pairs of masks, not of all with all: what evaluation asks, where few detections meet a truth.

The runs of ones become spans, from one place to another in the order of the pixels; the first and the last say which
columns a mask has, and only in those that both have are two lists of spans walked side by side, as in ``numba_cpu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap.check import EMPTY
from .numba_cpu import _behind
from .runs import Runs


@njit(cache=True, nogil=True)
def _pixels(counts: Any, splits: Any, out: Any) -> None:
    for n in range(len(splits) - 1):
        total = np.int64(0)
        for r in range(splits[n] + 1, splits[n + 1], 2):
            total += counts[r]
        out[n] = total


def pixels(runs: Runs) -> Array:
    """As ``areas``, compiled: (N,) int64."""
    out = np.empty(len(runs), np.int64)
    _pixels(runs.counts, runs.splits, out)
    return out


@njit(cache=True, nogil=True)
def _boxes(counts: Any, splits: Any, h: int, out: Any) -> None:
    for n in range(len(splits) - 1):
        x, edge = 0, h  # the column, and where it ends
        left, top, right, bottom = -1, h, 0, 0
        at: Any = 0
        for r in range(splits[n], splits[n + 1]):
            end: Any = at + counts[r]
            if (r - splits[n]) % 2 and end > at:
                while edge <= at:
                    x += 1
                    edge += h
                if left < 0:
                    left = x
                if end <= edge:
                    top, bottom, right = min(top, at - edge + h), max(bottom, end - edge + h), x + 1
                else:
                    top, bottom, right = 0, h, (end - 1) // h + 1
            at = end
        if left >= 0:
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = left, top, right, bottom


def boxes(runs: Runs) -> Array:
    """As ``bounds``, compiled: (N, 4) float64, ``x1 y1 x2 y2``."""
    out = np.zeros((len(runs), 4), np.float64)
    _boxes(runs.counts, runs.splits, max(1, runs.size[0]), out)
    return out


@njit(cache=True, nogil=True)
def _spans(counts: Any, splits: Any, wanted: Any, start: Any, end: Any, first: Any, area: Any) -> None:
    """Of the masks that are wanted: the spans of all, where those of each begin, and the area of each."""
    k = 0
    for n in range(len(splits) - 1):
        first[n] = k
        if not wanted[n]:
            continue
        at, total = np.int64(0), np.int64(0)
        for r in range(splits[n], splits[n + 1] - 1, 2):
            at += counts[r]
            count = counts[r + 1]
            if count > 0:
                start[k], end[k] = at, at + count
                k += 1
            at += count
            total += count
        area[n] = total
    first[len(splits) - 1] = k


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(rows: Any, columns: Any, a: Any, b: Any, crowd: Any, h: int, nothing: float, out: Any) -> None:
    a_start, a_end, a_first, a_area = a
    b_start, b_end, b_first, b_area = b
    for k in range(len(rows)):
        m, n = rows[k], columns[k]
        inter = np.int64(0)
        a_lo, a_hi, b_lo, b_hi = a_first[m], a_first[m + 1], b_first[n], b_first[n + 1]
        if a_lo < a_hi and b_lo < b_hi:
            left = max(a_start[a_lo], b_start[b_lo]) // h * h  # the first pixel of the first column that both have
            right = min(a_end[a_hi - 1], b_end[b_hi - 1]) - 1
            i, i_stop = np.uintp(_behind(a_end, a_lo, a_hi, left)), np.uintp(_behind(a_start, a_lo, a_hi, right))
            j, j_stop = np.uintp(_behind(b_end, b_lo, b_hi, left)), np.uintp(_behind(b_start, b_lo, b_hi, right))
            while i < i_stop and j < j_stop:  # unsigned: Numba would ask of others whether they count from the end
                p, q = a_end[i], b_end[j]
                inter += max(np.int64(0), min(p, q) - max(a_start[i], b_start[j]))
                i += np.uintp(p <= q)
                j += np.uintp(q <= p)
        union = a_area[m] if crowd[n] else a_area[m] + b_area[n] - inter
        out[k] = nothing if union == 0 else inter / union


def _prepared(x: Runs, index: Array) -> tuple[Array, ...]:
    n, most = len(x), len(x.counts) // 2 + 1
    wanted = np.zeros(n, np.bool_)
    wanted[index] = True
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    first, area = np.empty(n + 1, np.int64), np.empty(n, np.int64)
    _spans(x.counts, x.splits, wanted, start, end, first, area)
    return start, end, first, area


def pair_overlaps(
    a: Runs, b: Runs, rows: Array, columns: Array, crowd: Array | None = None, *, empty: str = "zero"
) -> Array:
    """``overlaps(a, b, crowd, empty=empty)[rows, columns]``, (P,) float64, of ``rows`` and ``columns`` (P,).

    Raises ``ValueError`` where the sizes of ``a`` and ``b`` are not the same, or for an index that there is not.
    """
    if a.size != b.size:
        raise ValueError(
            f"pair_overlaps: a has masks of {a.size} and b of {b.size} (height, width); sizes must be the same"
        )
    rows, columns = np.asarray(rows, np.int64), np.asarray(columns, np.int64)
    for name, index, n in (("rows", rows, len(a)), ("columns", columns, len(b))):
        if len(index) and not (index.min() >= 0 and index.max() < n):
            found = f"{index.min()} to {index.max()}"
            raise ValueError(f"pair_overlaps: {name} from 0 to {n - 1} were expected, found {found}")
    flags = np.zeros(len(b), np.bool_) if crowd is None else np.ascontiguousarray(crowd, np.bool_)
    out = np.empty(len(rows), np.float64)
    _fill(rows, columns, _prepared(a, rows), _prepared(b, columns), flags, max(1, a.size[0]), EMPTY[empty], out)
    return out
