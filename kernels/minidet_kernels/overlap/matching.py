"""Best partners found while the overlaps are computed: no matrix, a block of anchors at a time against every truth.

A block is laid out by coordinates.  For each truth, sixteen anchors at a time say whether they meet it, without a
branch, and only those that do (a few of a hundred) are looked at one by one: divided for, and compared with the best so
far of the anchor and of the truth.  The first of equals stays, since both come in ascending order.  A truth that does
not meet the box around the block is passed over.  Blocks are shared among the cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .shares import in_shares
from .sixteen import LANES, lowest, meeting

#: Anchors of a block, and of a word of bits; pairs that are worth a thread.
BLOCK, WORD, SHARE = 512, 64, 1 << 20


@njit(cache=True, nogil=True, error_model="numpy")
def _match(a: Any, first: int, last: int, b: Any, pixel: Any, truth: Any, best: Any, anchor: Any, most: Any) -> None:
    """Fill for the anchors ``first .. last`` of ``a`` (M, 4) and all truths ``b`` (N, 4); the outputs hold zeros."""
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    x, areas, words = np.empty((4, BLOCK), a.dtype), np.empty(BLOCK, a.dtype), np.empty(BLOCK // WORD, np.uint64)
    place, step, size = np.int64(x.ctypes.data), np.int64(BLOCK * x.itemsize), np.int64(x.itemsize)
    for start in range(first, last, BLOCK):
        many = min(BLOCK, last - start)
        held, index = best[start : start + many], truth[start : start + many]
        left, top, right, bottom = a[start, 0], a[start, 1], a[start, 2], a[start, 3]
        for k in range(many):
            x1, y1, x2, y2 = a[start + k, 0], a[start + k, 1], a[start + k, 2], a[start + k, 3]
            x[0, k], x[1, k], x[2, k], x[3, k] = x1, y1, x2, y2
            w, h = x2 - x1 + pixel, y2 - y1 + pixel
            areas[k] = (zero if w < zero else w) * (zero if h < zero else h)
            left, top, right, bottom = min(left, x1), min(top, y1), max(right, x2), max(bottom, y2)
        count = (many + WORD - 1) // WORD
        for k in range(many, count * WORD):  # what nothing meets
            x[0, k] = x[1, k] = np.inf
            x[2, k] = x[3, k] = -np.inf
        for j in range(b.shape[0]):
            bx1, by1, bx2, by2 = b[j, 0], b[j, 1], b[j, 2], b[j, 3]
            if min(right, bx2) - max(left, bx1) + pixel <= zero or min(bottom, by2) - max(top, by1) + pixel <= zero:
                continue
            for i in range(count):
                here, word = place + i * WORD * size, np.uint64(0)
                for part in range(0, WORD, LANES):
                    some = meeting(here + part * size, step, bx1, by1, bx2, by2, pixel)
                    word |= some << np.uint64(part)
                words[i] = word
            w, h = bx2 - bx1 + pixel, by2 - by1 + pixel
            area = (zero if w < zero else w) * (zero if h < zero else h)
            record = most[j]
            for i in range(count):
                word = words[i]
                while word:
                    k = i * WORD + lowest(word)
                    word &= word - np.uint64(1)
                    w = (x[2, k] if x[2, k] < bx2 else bx2) - (x[0, k] if x[0, k] > bx1 else bx1) + pixel
                    h = (x[3, k] if x[3, k] < by2 else by2) - (x[1, k] if x[1, k] > by1 else by1) + pixel
                    inter = w * h
                    union = areas[k] + area - inter
                    iou = inter / union if union > zero else zero  # NaN too
                    if iou > held[k]:
                        held[k], index[k] = iou, j
                    if iou > record:
                        record, anchor[j] = iou, start + k
            most[j] = record


def match(anchors: Array, truths: Array, *, width: str = "exclusive") -> tuple[Array, Array, Array, Array]:
    """As ``minidet_kernels.match``."""
    dtype, m, n = anchors.dtype.type, len(anchors), len(truths)
    integer = np.dtype(np.int32 if anchors.itemsize == 4 else np.int64)
    boxes, rows = np.ascontiguousarray(anchors), np.ascontiguousarray(truths)
    truth, best = np.zeros(m, integer), np.zeros(m, dtype)
    pixel, least = dtype(width == "inclusive"), max(1, SHARE // max(1, n))

    def part(start: int, stop: int) -> tuple[Array, Array]:
        anchor, most = np.zeros(n, np.int64), np.zeros(n, dtype)
        _match(boxes, start, stop, rows, pixel, truth, best, anchor, most)
        return anchor, most

    if 0 < m <= least:  # in one piece: what follows would take a tenth as long as all of it
        anchor, most = part(0, m)
    else:
        parts: dict[int, tuple[Array, Array]] = {}

        def work(start: int, stop: int) -> None:
            parts[start] = part(start, stop)

        if m:
            in_shares(work, m, least=least)
        anchor, most = np.full(n, 0 if m else -1, np.int64), np.zeros(n, dtype)
        for _, (index, value) in sorted(parts.items()):
            anchor[value > most] = index[value > most]
            most = np.maximum(most, value)
    return truth.astype(np.int64) if n else np.full(m, -1, np.int64), best, anchor, most
