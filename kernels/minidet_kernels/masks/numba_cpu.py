"""Two lists of runs walked side by side, for pairs whose boxes meet; rows of the matrix shared among the cores.

The runs of ones of each mask become spans, from one place to another in the order of the pixels, and the box around
them is found on the way.  Two masks can share pixels only in the columns that both boxes have, so the walk begins and
ends there.  One step takes what the two spans share, and goes on in the list whose span ends first, without a branch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap.check import EMPTY
from ..overlap.shares import in_shares

#: Steps that are worth a thread.
SHARE = 1 << 16


@njit(cache=True, nogil=True)
def _spans(counts: Any, splits: Any, h: int, start: Any, end: Any, first: Any, box: Any, area: Any) -> None:
    """Of masks: the spans of all, where those of each begin, the box around each (x1, y1, x2, y2), the area of each."""
    k = 0
    for n in range(len(splits) - 1):
        first[n] = k
        box[n, 0], box[n, 1], box[n, 2], box[n, 3] = np.iinfo(np.int64).max, np.iinfo(np.int64).max, 0, 0
        at = 0
        for r in range(splits[n], splits[n + 1]):
            count = counts[r]
            if (r - splits[n]) % 2 == 1 and count > 0:
                start[k], end[k] = at, at + count
                k += 1
                left, right = at // h, (at + count - 1) // h
                top, bottom = at - left * h, at + count - right * h
                if left < right:
                    top, bottom = 0, h
                box[n, 0], box[n, 1] = min(box[n, 0], left), min(box[n, 1], top)
                box[n, 2], box[n, 3] = max(box[n, 2], right + 1), max(box[n, 3], bottom)
                area[n] += count
            at += count
    first[len(splits) - 1] = k


@njit(cache=True, nogil=True, inline="always")
def _behind(x: Any, low: int, high: int, value: Any) -> int:
    """The first place of ``low .. high`` whose number is above ``value``; they are in order."""
    while low < high:
        middle = (low + high) // 2
        if x[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(lo: int, hi: int, a: Any, b: Any, crowd: Any, h: int, nothing: float, out: Any) -> None:
    a_start, a_end, a_first, a_box, a_area = a
    b_start, b_end, b_first, b_box, b_area = b
    for m in range(lo, hi):
        for n in range(out.shape[1]):
            inter = np.int64(0)
            left, right = max(a_box[m, 0], b_box[n, 0]), min(a_box[m, 2], b_box[n, 2])
            if left < right and max(a_box[m, 1], b_box[n, 1]) < min(a_box[m, 3], b_box[n, 3]):
                low, high = _behind(a_end, a_first[m], a_first[m + 1], left * h), a_first[m + 1]
                i, i_stop = np.uintp(low), np.uintp(_behind(a_start, low, high, right * h - 1))
                low, high = _behind(b_end, b_first[n], b_first[n + 1], left * h), b_first[n + 1]
                j, j_stop = np.uintp(low), np.uintp(_behind(b_start, low, high, right * h - 1))
                while i < i_stop and j < j_stop:  # unsigned: Numba would ask of others whether they count from the end
                    p, q = a_end[i], b_end[j]
                    inter += max(np.int64(0), min(p, q) - max(a_start[i], b_start[j]))
                    i += np.uintp(p <= q)
                    j += np.uintp(q <= p)
            union = a_area[m] if crowd[n] else a_area[m] + b_area[n] - inter
            out[m, n] = nothing if union == 0 else inter / union


def _prepared(counts: Array, splits: Array, h: int) -> tuple[Array, ...]:
    n, most = len(splits) - 1, len(counts) // 2 + 1
    start, end, first = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(n + 1, np.int64)
    box, area = np.empty((n, 4), np.int64), np.zeros(n, np.int64)
    _spans(counts.astype(np.int64), splits.astype(np.int64), max(1, h), start, end, first, box, area)
    return start, end, first, box, area


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
    m, n, h = len(a_splits) - 1, len(b_splits) - 1, max(1, int(size[0]))
    rows, columns = _prepared(a, a_splits, h), _prepared(b, b_splits, h)
    flags = np.zeros(n, np.bool_) if crowd is None else np.ascontiguousarray(crowd)
    out = np.empty((m, n), np.float64)
    steps = 1 + (len(a) // max(1, m) + len(b) // max(1, n)) // 8 * n  # of a row: most boxes do not meet

    def work(start: int, stop: int) -> None:
        _fill(start, stop, rows, columns, flags, h, EMPTY[empty], out)

    in_shares(work, m, least=max(1, SHARE // steps))
    return out
