"""Soft-NMS by a heap whose scores may be out of date: a box decays only when its turn comes near.

Scores only fall, so what the heap holds of a box is at least its score.  The best of the heap is brought up to date by
the boxes of its class chosen since, in their order; if it falls it goes back into the heap, and if not, it is chosen.
So each pair of boxes meets at most once, the factors are multiplied in the definition's order, and the scores are the
definition's bit for bit.  Chosen boxes are kept side by side by class and met ``LANES`` at once, asking only whether
any matters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .check import KERNELS
from .grid import best_first
from .rule import ALIKE, iou, numbers

LANES = 16
GAUSSIAN, HARD = KERNELS.index("gaussian"), KERNELS.index("hard")


@njit(cache=True, nogil=True, error_model="numpy")
def _decayed(score: Any, scores: Any, chosen: Any, first: int, stop: int, box: Any, rule: Any, decay: Any) -> Any:
    """The score of the box after the chosen ones, first .. stop."""
    limit, strict = rule[0], rule[1]
    kernel, by, one = decay
    zero = one - one
    for start in range(first, stop, LANES):
        hit = False
        for j in range(LANES):
            at = np.uint64(start) + np.uint64(j)  # unsigned: no test for a negative index
            value = iou(chosen[0, at], chosen[1, at], chosen[2, at], chosen[3, at], chosen[4, at], box, rule)
            hit |= (value > zero) if kernel == GAUSSIAN else ((value > limit) | ((value == limit) & (not strict)))
        if not hit:
            continue
        for k in range(start, min(start + LANES, stop)):
            value = iou(chosen[0, k], chosen[1, k], chosen[2, k], chosen[3, k], chosen[4, k], box, rule)
            if kernel == GAUSSIAN:
                if value > zero:
                    wide = np.float64(value)  # float() leaves a float32 as it is here
                    score = score * scores.dtype.type(math.exp(-(wide * wide) / by))
            elif value > limit or (value == limit and not strict):
                factor = zero if kernel == HARD else one - value
                score = score * scores.dtype.type(factor)
    return score


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sink(heap: Any, size: int, at: int, scores: Any) -> None:
    """Move the box at this place of the heap down to where no better one, or equal one of lower index, is below it."""
    held = heap[at]
    while 2 * at + 1 < size:
        below = 2 * at + 1
        if below + 1 < size:
            a, b = heap[below + 1], heap[below]
            if scores[a] > scores[b] or (scores[a] == scores[b] and a < b):
                below += 1
        a = heap[below]
        if not (scores[a] > scores[held] or (scores[a] == scores[held] and a < held)):
            break
        heap[at] = a
        at = below
    heap[at] = held


@njit(cache=True, nogil=True, error_model="numpy")
def _soft(
    boxes: Any, scores: Any, heap: Any, group: Any, starts: Any, rule: Any, decay: Any, end: Any, most: int
) -> Any:
    """The chosen boxes, in order; ``scores`` become theirs.  ``heap`` lists all from the best down, and is used up."""
    n, size, pixel = len(scores), len(scores), rule[2]
    floor, at_floor = end
    zero = pixel - pixel
    chosen = np.zeros((5, n + LANES), boxes.dtype)  # x1 y1 x2 y2 area, by class
    stops = starts[:-1].copy()  # of the chosen of each class
    met = np.empty(n, np.int64)  # how far each box has met the chosen of its class
    for i in range(n):
        met[i] = starts[group[i]]
    out = np.empty(min(n, most), np.int64)
    count = 0
    while size > 0 and count < most:
        i = heap[0]
        if not (scores[i] > floor or (at_floor and scores[i] == floor)):
            break
        c = group[i]
        w, h = boxes[i, 2] - boxes[i, 0] + pixel, boxes[i, 3] - boxes[i, 1] + pixel
        area = (zero if w < zero else w) * (zero if h < zero else h)
        box = (boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], area)
        score = _decayed(scores[i], scores, chosen, met[i], stops[c], box, rule, decay)
        met[i] = stops[c]
        fell = score < scores[i]
        scores[i] = score
        if not fell:
            out[count] = i
            count += 1
            for k in range(5):
                chosen[k, stops[c]] = box[k]
            stops[c] += 1
        if not fell or not (score > floor or (at_floor and score == floor)):
            size -= 1
            heap[0] = heap[size]
        if size > 0:
            _sink(heap, size, 0, scores)
    return out[:count]


def soft_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    spread: str = "sigma",
    threshold: float = 0.3,
    floor: float = 0.001,
    at_floor: str = "dropped",
    most: int | None = None,
    **options: Any,
) -> tuple[Array, Array]:
    """As ``minidet_kernels.soft_nms``."""
    rule = numbers(boxes.dtype, threshold, **ALIKE | options)
    if classes is None:
        group, starts = np.zeros(len(scores), np.int64), np.array([0, len(scores)])
    else:
        _, group, counts = np.unique(classes, return_inverse=True, return_counts=True)
        starts = np.append(0, np.cumsum(counts))
    decay = KERNELS.index(kernel), float(sigma) * (2 if spread == "two_sigma" else 1), boxes.dtype.type(1)
    left, limit = np.array(scores), len(scores) if most is None else int(most)
    kept = _soft(
        np.ascontiguousarray(boxes), left, best_first(left), group.ravel(), starts, rule, decay,
        (scores.dtype.type(floor), at_floor == "kept"), limit,
    )  # fmt: skip
    return kept, left[kept]
