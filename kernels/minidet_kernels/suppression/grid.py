"""Greedy suppression where each box meets only the kept boxes near it and of about its size: linear work.

An IoU above t needs sides within a factor t of each other, along each axis, and centres nearer than about (1 - t) side
lengths.  So kept boxes are filed by size (a factor of eight per level, each axis by itself) and by the cell of their
centre, with cells in proportion to the level; a candidate visits the few cells where a box that drops it could be.
Kept boxes drop each other seldom enough that a cell holds a bounded number of them.

Cells share buckets (a hash without resolving collisions): a box that meets another in vain changes nothing, because
every decision is taken by the definition's own operations, in its order.  What is not filed:

* empty, infinite and NaN-sided boxes, which drop nothing and are kept (but see ``empty="one"``);
* ``odd`` boxes, with a side so small or so large that areas are subject to underflow, or rounding has a say in where a
  box lies (and empty ones when ``empty="one"``): they meet everyone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from ..overlap.check import EMPTY

#: Binary exponents of the sides in one level, and of a level's cell beyond the level's shortest side.
LEVEL, CELL = 3, 1
#: What the search allows for rounding: it looks for boxes above 0.999 of the threshold.
SLACK = 0.999

#: Rounding of a centre, relative to the coordinates.
BLUR = 1e-14
#: Sides of which products neither underflow nor overflow, by dtype.
SIDES = {"f": (2.0**-50, 2.0**50), "d": (2.0**-480, 2.0**480)}

INERT, FILED, ODD = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _cell(position: float) -> int:
    """The whole number of the cell; beyond 2^52 the outermost."""
    return math.floor(min(max(position, -4503599627370496.0), 4503599627370496.0))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _bucket(ix: int, iy: int, level: int, group: int, mask: int) -> int:
    """Neighbours along x lie side by side; rows, levels and classes are scattered."""
    return (ix + iy * 40503 + level * 2654435761 + group * 97003) & mask


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _reach(side: float, most: float, t: float) -> float:
    """How far apart the centres of a box of this side and of one of up to ``most`` may lie, for an IoU above t.

    With sides a and b they overlap by more than t max(a, b) and by at most (a + b) / 2 less the distance.
    """
    if most <= side:
        return 0.5 * (side + most) - t * side
    longest = min(side / t, most)
    return max(side * (1 - t), 0.5 * (side + longest) - t * longest)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _drops(x1: Any, y1: Any, x2: Any, y2: Any, area: Any, kept: Any, rule: Any) -> bool:
    """The definition: whether ``kept``, a row of x1 y1 x2 y2 area, drops the box."""
    limit, strict, pixel, nothing = rule
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    w = (x2 if x2 < kept[2] else kept[2]) - (x1 if x1 > kept[0] else kept[0]) + pixel
    h = (y2 if y2 < kept[3] else kept[3]) - (y1 if y1 > kept[1] else kept[1]) + pixel
    inter = (zero if w < zero else w) * (zero if h < zero else h)
    union = kept[4] + area - inter
    iou = nothing if union == zero else inter / union
    return iou > limit or (iou == limit and not strict)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _row(box: Any, area: Any) -> Any:
    return box[0], box[1], box[2], box[3], area


@njit(cache=True, nogil=True, error_model="numpy")
def _file(boxes: Any, order: Any, groups: Any, pixel: Any, sides: Any, odd_empty: bool, mask: int) -> Any:
    """Per box in order: its area, what kind it is, its levels and its bucket; and where each bucket's slots start."""
    n = len(order)
    zero = pixel - pixel
    area, kind = np.empty(n, boxes.dtype), np.empty(n, np.int8)
    level, bucket = np.empty((n, 2), np.int16), np.empty(n, np.int64)
    starts = np.zeros(mask + 2, np.int64)
    for i in range(n):
        box = boxes[order[i]]
        w, h = box[2] - box[0] + pixel, box[3] - box[1] + pixel
        area[i] = (zero if w < zero else w) * (zero if h < zero else h)
        if not (area[i] > zero and area[i] < np.inf):
            kind[i] = ODD if odd_empty and area[i] == zero else INERT
        elif not (min(w, h) >= sides[0] and max(w, h) <= sides[1]):
            kind[i] = ODD
        else:
            kind[i] = FILED
            lx, ly = math.frexp(w)[1] // LEVEL, math.frexp(h)[1] // LEVEL
            ix = _cell((0.5 * box[0] + 0.5 * box[2]) * math.ldexp(1.0, -LEVEL * lx - CELL))
            iy = _cell((0.5 * box[1] + 0.5 * box[3]) * math.ldexp(1.0, -LEVEL * ly - CELL))
            level[i, 0], level[i, 1] = lx, ly
            bucket[i] = _bucket(ix, iy, (lx << 12) + ly, groups[order[i]] if len(groups) else 0, mask)
            starts[bucket[i] + 1] += 1
    for b in range(mask + 1):
        starts[b + 1] += starts[b]
    return area, kind, level, bucket, starts


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy(boxes: Any, order: Any, groups: Any, rule: Any, sides: Any, odd_empty: bool) -> Any:
    """Mask of the kept along ``order``, best first; ``groups`` (n,) are classes, or empty for one class."""
    limit, _, pixel, _ = rule
    n, t = len(order), float(limit) * SLACK
    mask = 1
    while mask < n:
        mask *= 2
    mask -= 1
    area, kind, level, bucket, starts = _file(boxes, order, groups, pixel, sides, odd_empty, mask)
    low, high = np.int64(32767), np.int64(-32768)
    for i in range(n):
        if kind[i] == FILED:
            low = min(low, level[i, 0], level[i, 1])
            high = max(high, level[i, 0], level[i, 1])
    low = min(low, high)
    most = np.ldexp(1.0, np.arange(LEVEL * low + LEVEL - 1, LEVEL * high + LEVEL, LEVEL))  # sides of a level are below
    per_cell = np.ldexp(1.0, np.arange(-LEVEL * low - CELL, -LEVEL * high - CELL - 1, -LEVEL))
    held = np.zeros((len(most), len(most)), np.int64)  # kept boxes of each pair of levels
    ends = starts[:-1].copy()  # of the slots filled so far
    slots = np.empty((n, 5), boxes.dtype)  # x1 y1 x2 y2 area of the kept boxes, by bucket
    group_of = np.empty(n if len(groups) else 0, groups.dtype)  # by slot
    keep = np.zeros(n, np.bool_)
    odd = np.empty(n, np.int64)  # the kept among the odd boxes
    odds = 0
    for i in range(n):
        keep[i] = True
        if kind[i] == INERT:
            continue
        index = order[i]
        x1, y1, x2, y2 = boxes[index]
        group = groups[index] if len(groups) else 0
        for k in range(odds):
            b = odd[k]
            same = len(groups) == 0 or groups[order[b]] == group
            if same and _drops(x1, y1, x2, y2, area[i], _row(boxes[order[b]], area[b]), rule):
                keep[i] = False
                break
        if kind[i] == ODD:
            for b in range(i):
                if not keep[i]:
                    break
                if keep[b] and kind[b] != INERT and (len(groups) == 0 or groups[order[b]] == group):
                    keep[i] = not _drops(x1, y1, x2, y2, area[i], _row(boxes[order[b]], area[b]), rule)
            if keep[i]:
                odd[odds] = i
                odds += 1
            continue
        if not keep[i]:
            continue
        w, h = x2 - x1 + pixel, y2 - y1 + pixel
        cx, cy = 0.5 * x1 + 0.5 * x2, 0.5 * y1 + 0.5 * y2
        blur_x, blur_y = BLUR * (abs(x1) + abs(x2)), BLUR * (abs(y1) + abs(y2))
        own_x, own_y = level[i, 0] - low, level[i, 1] - low
        lx = own_x
        while lx > 0 and most[lx - 1] > t * w:
            lx -= 1
        while keep[i] and lx < len(most) and (lx <= own_x or most[lx - 1] * t < w):
            r = _reach(w, most[lx], t) + blur_x
            ix0, ix1 = _cell((cx - r) * per_cell[lx]), _cell((cx + r) * per_cell[lx])
            ly = own_y
            while ly > 0 and most[ly - 1] > t * h:
                ly -= 1
            while keep[i] and ly < len(most) and (ly <= own_y or most[ly - 1] * t < h):
                if held[lx, ly]:
                    r = _reach(h, most[ly], t) + blur_y
                    iy0, iy1 = _cell((cy - r) * per_cell[ly]), _cell((cy + r) * per_cell[ly])
                    pair = ((lx + low) << 12) + ly + low
                    for iy in range(iy0, iy1 + 1):
                        for ix in range(ix0, ix1 + 1):
                            b = _bucket(ix, iy, pair, group, mask)
                            for s in range(starts[b], ends[b]):
                                if len(groups) and group_of[s] != group:
                                    continue
                                if _drops(x1, y1, x2, y2, area[i], _row(slots[s], slots[s, 4]), rule):
                                    keep[i] = False
                                    break
                            if not keep[i]:
                                break
                        if not keep[i]:
                            break
                ly += 1
            lx += 1
        if keep[i]:
            s = ends[bucket[i]]
            slots[s, 0], slots[s, 1], slots[s, 2], slots[s, 3], slots[s, 4] = x1, y1, x2, y2, area[i]
            if len(groups):
                group_of[s] = group
            ends[bucket[i]] += 1
            held[own_x, own_y] += 1
    return keep


def best_first(scores: Array) -> Array:
    """Indices from the best score down, ties by lower index: a stable sort, by one sort of distinct integers.

    A float32 read as an integer is in order once the digits of the negative ones are turned over; the index below it
    settles ties.
    """
    if scores.dtype != np.float32 or len(scores) >> 32:
        return np.argsort(-scores, kind="stable")
    bits = (np.float32(0) - scores).view(np.int32)  # both zeros become the same
    bits = np.where(bits < 0, ~bits, bits | np.int32(-(2**31))).view(np.uint32)
    keys = (bits.astype(np.uint64) << np.uint64(32)) | np.arange(len(scores), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _kept(boxes: Array, scores: Array, groups: Array, threshold: float, compare: str, width: str, empty: str) -> Array:
    order = best_first(scores)
    dtype = boxes.dtype.type
    limit, pixel, nothing = dtype(threshold), dtype(width == "inclusive"), dtype(EMPTY[empty])
    strict = compare == "strict"
    if limit >= 1 and strict:
        return order  # no quotient is above 1: the union is rounded from two areas, neither below the intersection
    sides = SIDES[boxes.dtype.char]
    if width == "inclusive":
        sides = (max(sides[0], 2.0**-6), sides[1])
    rule = (limit, strict, pixel, nothing)
    return order[_greedy(np.ascontiguousarray(boxes), order, groups, rule, sides, empty == "one")]


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.nms``."""
    return _kept(boxes, scores, np.empty(0, np.int64), threshold, compare, width, empty)


def batched_nms(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.batched_nms``: all classes in one pass, each filed under its own buckets."""
    groups = np.ascontiguousarray(classes.astype(np.int64, copy=False))
    return _kept(boxes, scores, groups, threshold, compare, width, empty)
