"""Weighted boxes fusion, each box against the fused boxes of its class, which lie side by side.

``LANES`` fused boxes are met at once, asking only whether one overlaps the box enough; then the best of those is found.
Sums grow in the definition's order, in float64: the result is the definition's bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array
from .average import per_model
from .rule import iou, numbers

LANES = 16


@njit(cache=True, nogil=True, error_model="numpy")
def _fuse(boxes: Any, scores: Any, group: Any, starts: Any, rule: Any) -> Any:
    """Fuse boxes (n, 4) from the best score down: the clusters' boxes, sums of scores, best scores, counts, members.

    Clusters are numbered in the order in which they begin; ``members`` (n,) is the number of the first box of each.
    """
    n, limit, strict, pixel = len(scores), rule[0], rule[1], rule[2]
    fused = np.zeros((5, n + LANES), boxes.dtype)  # x1 y1 x2 y2 area, by class
    slot_of, number_of = np.empty(n, np.int64), np.empty(n, np.int64)  # of a cluster; of a slot
    sums, total, most, count = np.zeros((n, 4)), np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    first, stops = np.empty(n, np.int64), starts[:-1].copy()
    clusters = 0
    for i in range(n):
        c = group[i]
        w, h = max(boxes[i, 2] - boxes[i, 0] + pixel, 0.0), max(boxes[i, 3] - boxes[i, 1] + pixel, 0.0)
        box = (boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3], w * h)
        best = 0.0
        near: Any = -1
        for start in range(starts[c], stops[c], LANES):
            hit = False
            for j in range(LANES):
                lane = np.uint64(start) + np.uint64(j)  # unsigned: no test for a negative index
                value = iou(fused[0, lane], fused[1, lane], fused[2, lane], fused[3, lane], fused[4, lane], box, rule)
                hit |= (value > limit) | ((value == limit) & (not strict))
            if hit:
                for k in range(start, min(start + LANES, stops[c])):
                    value = iou(fused[0, k], fused[1, k], fused[2, k], fused[3, k], fused[4, k], box, rule)
                    above = value > limit or (value == limit and not strict)
                    if above and (near < 0 or value > best):
                        best, near = value, k
        if near < 0:
            near = stops[c]
            stops[c] += 1
            slot_of[clusters], number_of[near], first[clusters] = near, clusters, i
            clusters += 1
            for k in range(4):
                fused[k, near] = box[k]
        at = number_of[near]
        total[at] += scores[i]
        most[at] = max(most[at], scores[i])
        count[at] += 1
        for k in range(4):
            sums[at, k] += scores[i] * box[k]
            if count[at] > 1:
                fused[k, near] = sums[at, k] / total[at]
        w, h = max(fused[2, near] - fused[0, near] + pixel, 0.0), max(fused[3, near] - fused[1, near] + pixel, 0.0)
        fused[4, near] = w * h
    out = np.empty((clusters, 4), boxes.dtype)
    for at in range(clusters):
        for k in range(4):
            out[at, k] = fused[k, slot_of[at]]
    return out, total[:clusters], most[:clusters], count[:clusters], first[:clusters]


def weighted_boxes_fusion(
    boxes: Array,
    scores: Array,
    classes: Array,
    models: Array,
    *,
    threshold: float = 0.55,
    weights: Any = None,
    skip: float = 0.0,
    conf: str = "avg",
    count: str = "capped",
    compare: str = "strict",
    width: str = "exclusive",
) -> tuple[Array, Array, Array]:
    """As ``minidet_kernels.weighted_boxes_fusion``."""
    share = per_model(models, weights)
    s = scores.astype(np.float64) * share[models]
    (taken,) = np.nonzero((scores >= skip) & (s > 0))
    order = taken[np.argsort(-s[taken], kind="stable")]
    _, group, counts = np.unique(classes[order], return_inverse=True, return_counts=True)
    rule = numbers(np.dtype(np.float64), threshold, compare, width, "zero")
    x = np.ascontiguousarray(boxes[order], np.float64)
    fused, total, most, size, first = _fuse(x, s[order], group.ravel(), np.append(0, np.cumsum(counts)), rule)
    if conf == "max":
        score = most / share.max(initial=0)
    else:
        score = total / size * (np.minimum(len(share), size) if count == "capped" else size) / share.sum()
    best = np.argsort(-score, kind="stable")
    return fused[best].astype(boxes.dtype), score[best].astype(scores.dtype), classes[order[first[best]]]
