"""Greedy suppression where each box meets only the filed boxes near it and of about its size: linear work.

An IoU above t needs sides within a factor t of each other, along each axis, and centres nearer than about (1 - t) side
lengths.  So kept boxes are filed by size (a factor of sixteen per level, each axis by itself) and by the cell of their
centre, with cells in proportion to the mean side of the level; a candidate visits the few cells where a box that drops
it could be, its own cell first.  Kept boxes drop each other seldom enough that a cell holds a bounded number of them.

The boxes of a cell lie side by side, column by column, so that a candidate meets ``LANES`` of them at once.  Lanes may
reach into the next cell, and cells share buckets (a hash without resolving collisions): a box that meets another in
vain changes nothing, because every decision is taken by the definition's own operations, in its order.  What is not
filed:

* empty, infinite and NaN-sided boxes, which drop nothing and are kept (but see ``empty="one"``);
* ``odd`` boxes, with a side so small or so large that areas are subject to underflow, or rounding has a say in where a
  box lies (and empty ones when ``empty="one"``): they meet everyone.

``diou_nms`` asks for the IoU first, from which it only takes away.  ``fast_nms`` files the dropped boxes too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .rule import ALIKE, drops, iou, numbers

#: Binary exponents of the sides in one level; a level's cells are as long as its mean side.
LEVEL = 4
#: Filed boxes that a candidate meets at once.
LANES = 16
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


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(boxes: Any, order: Any, pixel: Any, sides: Any, odd_empty: bool) -> Any:
    """Boxes in order, as rows x1 y1 x2 y2 area, their kinds and levels (x, y), and the cells' sides per level.

    Levels count from the lowest, which is returned last.
    """
    n = len(order)
    zero = pixel - pixel
    rows, kind, level = np.empty((n, 5), boxes.dtype), np.empty(n, np.int8), np.empty((n, 2), np.int16)
    low: Any = np.int64(32767)
    high: Any = np.int64(-32768)
    for i in range(n):
        at = order[i]
        x1, y1, x2, y2 = boxes[at, 0], boxes[at, 1], boxes[at, 2], boxes[at, 3]
        w, h = x2 - x1 + pixel, y2 - y1 + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4] = x1, y1, x2, y2, area
        if not (area > zero and area < np.inf):
            kind[i] = ODD if odd_empty and area == zero else INERT
        elif not (min(w, h) >= sides[0] and max(w, h) <= sides[1]):
            kind[i] = ODD
        else:
            kind[i] = FILED
            lx, ly = math.frexp(w)[1] // LEVEL, math.frexp(h)[1] // LEVEL
            level[i, 0], level[i, 1] = lx, ly
            low, high = min(low, lx, ly), max(high, lx, ly)
    low = min(low, high)
    total, count = np.zeros((high - low + 1, 2)), np.zeros((high - low + 1, 2), np.int64)
    for i in range(n):
        if kind[i] == FILED:
            for axis in range(2):
                level[i, axis] -= low
                total[level[i, axis], axis] += rows[i, 2 + axis] - rows[i, axis] + pixel
                count[level[i, axis], axis] += 1
    return rows, kind, level, total / np.maximum(count, 1), low


@njit(cache=True, nogil=True, error_model="numpy")
def _file(rows: Any, kind: Any, level: Any, per_cell: Any, order: Any, groups: Any, mask: int) -> Any:
    """The bucket of each filed box, and where each bucket's slots start."""
    bucket, starts = np.empty(len(rows), np.int32), np.zeros(mask + 2, np.int32)
    for i in range(len(rows)):
        if kind[i] == FILED:
            lx, ly = level[i, 0], level[i, 1]
            ix = _cell((0.5 * rows[i, 0] + 0.5 * rows[i, 2]) * per_cell[lx, 0])
            iy = _cell((0.5 * rows[i, 1] + 0.5 * rows[i, 3]) * per_cell[ly, 1])
            bucket[i] = _bucket(ix, iy, (lx << 12) + ly, groups[order[i]] if len(groups) else 0, mask)
            starts[bucket[i] + 1] += 1
    for b in range(mask + 1):
        starts[b + 1] += starts[b]
    return bucket, starts


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _meets(slots: Any, group_of: Any, first: int, stop: int, box: Any, group: Any, rule: Any) -> bool:
    """Whether one of the slots drops the box.  No way out within ``LANES`` of them: vectorised."""
    limit, strict, _, _, _, beta = rule
    for s in range(first, stop, LANES):
        hit = False
        for j in range(LANES):
            at = np.uint64(s) + np.uint64(j)  # unsigned: no test for a negative index
            value = iou(slots[0, at], slots[1, at], slots[2, at], slots[3, at], slots[4, at], box, rule)
            hit |= (value > limit) | ((value == limit) & (not strict))
        if not hit:
            continue
        if beta == 0 and len(group_of) == 0:
            return True
        for j in range(LANES):
            at = np.uint64(s) + np.uint64(j)
            if (len(group_of) == 0 or group_of[at] == group) and drops(
                slots[0, at], slots[1, at], slots[2, at], slots[3, at], slots[4, at], box, rule, slots
            ):
                return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy(boxes: Any, order: Any, groups: Any, rule: Any, sides: Any, odd_empty: bool, chain: bool) -> Any:
    """Mask of the kept along ``order``, best first; ``groups`` (n,) are classes, or empty for one class.

    With ``chain`` a dropped box drops others all the same.
    """
    n, t, pixel = len(order), float(rule[0]) * SLACK, rule[2]
    classes = len(groups) > 0
    mask = 1
    while mask < n:
        mask *= 2
    mask -= 1
    rows, kind, level, mean, low = _prepare(boxes, order, pixel, sides, odd_empty)
    levels = len(mean)
    per_cell = 1 / np.where(mean > 0, mean, 1)
    bucket, starts = _file(rows, kind, level, per_cell, order, groups, mask)
    most = np.ldexp(1.0, LEVEL * (low + np.arange(levels)) + LEVEL - 1)  # sides of a level are below
    held = np.zeros((levels, levels), np.int64)  # filed boxes of each pair of levels
    ends = starts[:-1].copy()  # of the slots filled so far
    slots = np.zeros((5, n + LANES), boxes.dtype)  # x1 y1 x2 y2 area of the filed boxes, by bucket
    slots[4] = np.nan  # an empty slot drops nothing: its IoU is NaN
    group_of = np.zeros(n + LANES if classes else 0, groups.dtype)  # by slot
    keep = np.zeros(n, np.bool_)
    odd = np.empty(n, np.int64)  # the filed among the odd boxes
    odds = 0
    for i in range(n):
        keep[i] = True
        if kind[i] == INERT:
            continue
        group = groups[order[i]] if classes else groups.dtype.type(0)
        box = (rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4])
        for k in range(odds):
            b = odd[k]
            if (not classes or groups[order[b]] == group) and drops(
                rows[b, 0], rows[b, 1], rows[b, 2], rows[b, 3], rows[b, 4], box, rule, slots
            ):
                keep[i] = False
                break
        if kind[i] == ODD:
            for b in range(i):
                if not keep[i]:
                    break
                if (keep[b] or chain) and kind[b] != INERT and (not classes or groups[order[b]] == group):
                    keep[i] = not drops(rows[b, 0], rows[b, 1], rows[b, 2], rows[b, 3], rows[b, 4], box, rule, slots)
            if keep[i] or chain:
                odd[odds] = i
                odds += 1
            continue
        own_x, own_y, own = level[i, 0], level[i, 1], bucket[i]
        if keep[i] and _meets(slots, group_of, starts[own], ends[own], box, group, rule):
            keep[i] = False
        w, h = box[2] - box[0] + pixel, box[3] - box[1] + pixel
        cx, cy = 0.5 * box[0] + 0.5 * box[2], 0.5 * box[1] + 0.5 * box[3]
        blur_x, blur_y = BLUR * (abs(box[0]) + abs(box[2])), BLUR * (abs(box[1]) + abs(box[3]))
        lx = own_x
        while lx > 0 and most[lx - 1] > t * w:
            lx -= 1
        while keep[i] and lx < levels and (lx <= own_x or most[lx - 1] * t < w):
            r = _reach(w, most[lx], t) + blur_x
            ix0, ix1 = _cell((cx - r) * per_cell[lx, 0]), _cell((cx + r) * per_cell[lx, 0])
            ly = own_y
            while ly > 0 and most[ly - 1] > t * h:
                ly -= 1
            while keep[i] and ly < levels and (ly <= own_y or most[ly - 1] * t < h):
                if held[lx, ly]:
                    r = _reach(h, most[ly], t) + blur_y
                    iy0, iy1 = _cell((cy - r) * per_cell[ly, 1]), _cell((cy + r) * per_cell[ly, 1])
                    iy = iy0
                    while keep[i] and iy <= iy1:
                        for ix in range(ix0, ix1 + 1):
                            b = _bucket(ix, iy, (lx << 12) + ly, group, mask)
                            if b != own and _meets(slots, group_of, starts[b], ends[b], box, group, rule):
                                keep[i] = False
                                break
                        iy += 1
                ly += 1
            lx += 1
        if keep[i] or chain:
            s = ends[own]
            for k in range(5):
                slots[k, s] = rows[i, k]
            if classes:
                group_of[s] = group
            ends[own] += 1
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


def _whole(classes: Array | None) -> Array:
    """The classes as int32: as they are, or numbered where they are too far apart."""
    if classes is None:
        return np.empty(0, np.int32)
    if classes.dtype.itemsize > 2 and len(classes) and not -(2**31) <= classes.min() <= classes.max() < 2**31:
        classes = np.unique(classes, return_inverse=True)[1]
    return np.ascontiguousarray(classes, np.int32)


def kept(
    boxes: Array,
    scores: Array,
    classes: Array | None,
    *,
    threshold: float,
    compare: str,
    width: str,
    empty: str,
    beta: float = 0.0,
    chain: bool = False,
) -> Array:
    """Indices of the kept, best first: by IoU, or with ``beta`` above 0 by what ``diou_nms`` compares."""
    order = best_first(scores)
    rule = numbers(boxes.dtype, threshold, compare, width, empty, beta)
    if rule[0] >= 1 and compare == "strict":
        return order  # no quotient is above 1: the union is rounded from two areas, neither below the intersection
    sides = SIDES[boxes.dtype.char]
    if width == "inclusive":
        sides = (max(sides[0], 2.0**-6), sides[1])
    return order[_greedy(np.ascontiguousarray(boxes), order, _whole(classes), rule, sides, empty == "one", chain)]


def nms(boxes: Array, scores: Array, **options: Any) -> Array:
    """As ``minidet_kernels.nms``."""
    return kept(boxes, scores, None, **ALIKE | options)


def batched_nms(boxes: Array, scores: Array, classes: Array, **options: Any) -> Array:
    """As ``minidet_kernels.batched_nms``: all classes in one pass, each filed under its own buckets."""
    return kept(boxes, scores, classes, **ALIKE | options)


def diou_nms(boxes: Array, scores: Array, classes: Array | None = None, *, beta: float = 1.0, **options: Any) -> Array:
    """As ``minidet_kernels.diou_nms``."""
    return kept(boxes, scores, classes, beta=float(beta), **ALIKE | options)


def fast_nms(boxes: Array, scores: Array, classes: Array | None = None, **options: Any) -> Array:
    """As ``minidet_kernels.fast_nms``."""
    return kept(boxes, scores, classes, chain=True, **ALIKE | options)
