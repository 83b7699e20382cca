"""Best partners found while the overlaps are computed: no matrix, a block of anchors at a time against every truth.

Within a block the loop over anchors is vectorised: each anchor's best so far is updated by selects, and the block's
best overlap with the truth is a maximum of integers, since floats not below zero are in order when read as integers.
Only where it beats the best of earlier blocks is the anchor looked for.  A truth that does not meet the box around the
block has overlap 0 with all of it and is passed over.  Blocks are shared among the cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .shares import in_shares

#: Anchors of a block; pairs that are worth a thread.
BLOCK, SHARE = 512, 1 << 20


@njit(cache=True, nogil=True, error_model="numpy")
def _match(
    a: Any, first: int, last: int, b: Any, pixel: Any, truth: Any, best: Any, anchor: Any, most: Any, bits: Any
) -> None:
    """Fill for the anchors ``first .. last`` of ``a`` (4, M) and all truths ``b`` (N, 4).

    ``truth`` and ``bits`` are of integers as wide as the floats; the outputs hold zeros at first, and ``bits`` is the
    memory of the returned overlaps of one block, read as integers.
    """
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    areas, overlap = np.empty(BLOCK, a.dtype), bits.view(a.dtype)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        size = stop - start
        x1, y1, x2, y2 = a[0, start:stop], a[1, start:stop], a[2, start:stop], a[3, start:stop]
        held, index = best[start:stop], truth[start:stop]
        left, top, right, bottom = x1[0], y1[0], x2[0], y2[0]
        for k in range(size):
            w, h = x2[k] - x1[k] + pixel, y2[k] - y1[k] + pixel
            areas[k] = (zero if w < zero else w) * (zero if h < zero else h)
            left, top = min(left, x1[k]), min(top, y1[k])
            right, bottom = max(right, x2[k]), max(bottom, y2[k])
        for j in range(b.shape[0]):
            bx1, by1, bx2, by2 = b[j, 0], b[j, 1], b[j, 2], b[j, 3]
            if min(right, bx2) - max(left, bx1) + pixel <= zero or min(bottom, by2) - max(top, by1) + pixel <= zero:
                continue
            w, h = bx2 - bx1 + pixel, by2 - by1 + pixel
            area = (zero if w < zero else w) * (zero if h < zero else h)
            for k in range(size):
                w = (x2[k] if x2[k] < bx2 else bx2) - (x1[k] if x1[k] > bx1 else bx1) + pixel
                h = (y2[k] if y2[k] < by2 else by2) - (y1[k] if y1[k] > by1 else by1) + pixel
                inter = (zero if w < zero else w) * (zero if h < zero else h)
                union = areas[k] + area - inter
                iou = inter / union if union > zero else zero  # NaN too
                overlap[k] = iou
                index[k] = j if iou > held[k] else index[k]
                held[k] = iou if iou > held[k] else held[k]
            top_bits = bits[0]
            for k in range(size):
                top_bits = max(top_bits, bits[k])
            if top_bits > most[j : j + 1].view(bits.dtype)[0]:
                found = size  # the lowest: a minimum, which is vectorised where a search that breaks off is not
                for k in range(size):
                    found = min(found, k if bits[k] == top_bits else size)
                most[j], anchor[j] = overlap[found], start + found


def match(anchors: Array, truths: Array, *, width: str = "exclusive") -> tuple[Array, Array, Array, Array]:
    """As ``minidet_kernels.match``."""
    dtype, m, n = anchors.dtype.type, len(anchors), len(truths)
    integer = np.dtype(np.int32 if anchors.itemsize == 4 else np.int64)
    columns, rows = np.ascontiguousarray(anchors.T), np.ascontiguousarray(truths)  # (4, M), (N, 4)
    truth, best = np.zeros(m, integer), np.zeros(m, dtype)
    parts: dict[int, tuple[Array, Array]] = {}

    def work(start: int, stop: int) -> None:
        anchor, most = np.zeros(n, np.int64), np.zeros(n, dtype)
        bits = np.empty(BLOCK, integer)
        _match(columns, start, stop, rows, dtype(width == "inclusive"), truth, best, anchor, most, bits)
        parts[start] = anchor, most

    if m:
        in_shares(work, m, least=max(1, SHARE // max(1, n)))
    anchor, most = np.full(n, 0 if m else -1, np.int64), np.zeros(n, dtype)
    for _, (index, value) in sorted(parts.items()):
        anchor[value > most] = index[value > most]
        most = np.maximum(most, value)
    return truth.astype(np.int64) if n else np.full(m, -1, np.int64), best, anchor, most
