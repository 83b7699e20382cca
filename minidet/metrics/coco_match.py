"""The compiled parts of ``coco``: sorting into groups, overlaps of boxes, matching, and the curve of every class.

A group is what one image has of one class.  Nothing here has a size of detections times truths: pairs are kept only
where they overlap enough to count.  What a detection is at each threshold is a bit of an integer, so the whole result
of matching is two integers for each detection and range of areas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def bucket(order: Any, keys: Any, n: int) -> Any:
    """``order``, sorted by its items' ``keys`` (0 ... n - 1), those with equal ones left in their order."""
    place = np.zeros(n + 1, np.int64)
    for i in order:
        place[keys[i] + 1] += 1
    for k in range(n):
        place[k + 1] += place[k]
    out = np.empty_like(order)
    for i in order:
        out[place[keys[i]]] = i
        place[keys[i]] += 1
    return out


@njit(cache=True, nogil=True)
def _enough(iou: float, least: float, strict: bool) -> bool:
    return iou > least if strict else iou >= least


@njit(cache=True, nogil=True, error_model="numpy")
def near_boxes(
    lo: int, hi: int, groups: Any, found: Any, truths: Any, crowd: Any, one: float, least: float, strict: bool,
    start: Any, truth: Any, overlap: Any,
) -> None:  # fmt: skip
    """Pairs of boxes (xywh) of groups ``lo ... hi`` whose overlap is enough for the least threshold.

    Without ``truth``, it is counted into ``start`` how many each detection has; otherwise the pairs are written from
    there on.  IoU with one rounding for each operation, in the order of COCO's program (``matching.overlaps``).
    """
    count = len(truth) == 0
    for g in range(lo, hi):
        d0, d1, t0, t1 = groups[g, 0], groups[g, 1], groups[g, 2], groups[g, 3]
        for d in range(d0, d1):
            x, y, w, h = found[d, 0], found[d, 1], found[d, 2], found[d, 3]
            area = (w + one) * (h + one)
            used = 0
            for t in range(t0, t1):
                wide = min(w + x, truths[t, 2] + truths[t, 0]) - max(x, truths[t, 0]) + one
                if wide <= 0:
                    continue
                high = min(h + y, truths[t, 3] + truths[t, 1]) - max(y, truths[t, 1]) + one
                if high <= 0:
                    continue
                inter = wide * high
                whole = area if crowd[t] else area + (truths[t, 2] + one) * (truths[t, 3] + one) - inter
                iou = inter / whole
                if _enough(iou, least, strict):
                    if not count:
                        truth[start[d] + used], overlap[start[d] + used] = t, iou
                    used += 1
            if count:
                start[d + 1] = used


@njit(cache=True, nogil=True)
def match(
    lo: int, hi: int, groups: Any, start: Any, truth: Any, overlap: Any, ignored: Any, crowd: Any, no_match: Any,
    sizes: Any, areas: Any, thresholds: Any, strict: bool, last: bool, position: Any, place: Any, hit: Any, skip: Any,
) -> None:  # fmt: skip
    """Match the detections of groups ``lo ... hi``, each in the order of scores.

    Detection ``d``, whose place in its group goes to ``place[position[d]]``, gets bits in ``hit`` and ``skip``
    (D, areas), one for each threshold: that it has found a truth that counts, and that it is not to be counted.
    """
    most = 0
    for g in range(lo, hi):
        most = max(most, groups[g, 3] - groups[g, 2])
    taken = np.zeros(most, np.int64)  # the number of the turn in which a truth was taken last
    turn = 0
    every = (np.int64(1) << len(thresholds)) - 1
    for g in range(lo, hi):
        d0, d1, t0 = groups[g, 0], groups[g, 1], groups[g, 2]
        for d in range(d0, d1):
            p = position[d]
            place[p] = d - d0
            for a in range(len(areas)):
                hit[p, a] = 0
                skip[p, a] = every if sizes[d] < areas[a, 0] or sizes[d] > areas[a, 1] else 0
        if start[d0] == start[d1]:
            continue
        for a in range(len(areas)):
            for k in range(len(thresholds)):
                turn += 1
                bit = np.int64(1) << k
                for d in range(d0, d1):
                    best, spare = -1, -1  # of truths that count, and of those that do not
                    for c in range(start[d], start[d + 1]):
                        t, iou = truth[c], overlap[c]
                        if not _enough(iou, thresholds[k], strict) or (taken[t - t0] == turn and not crowd[t]):
                            continue
                        if ignored[a, t]:
                            if spare < 0 or iou > overlap[spare] or (last and iou == overlap[spare]):
                                spare = c
                        elif best < 0 or iou > overlap[best] or (last and iou == overlap[best]):
                            best = c
                    if best < 0 and spare < 0:
                        continue
                    chosen = truth[best if best >= 0 else spare]
                    taken[chosen - t0] = turn
                    if best < 0:
                        skip[position[d], a] |= bit
                    elif not no_match[chosen]:
                        hit[position[d], a] |= bit
                        skip[position[d], a] &= ~bit


@njit(cache=True, nogil=True)
def _needed(n: int, bins: Any, exact: bool, out: Any) -> None:
    """How many hits of ``n`` truths it takes to reach each recall: by integers, or as quotients compared in float64."""
    for i in range(len(bins)):
        if exact:
            out[i] = (i * n + len(bins) - 2) // (len(bins) - 1)
        else:
            k = max(0, int(bins[i] * n) - 2)
            while k <= n and k / n < bins[i]:
                k += 1
            out[i] = k


@njit(cache=True, nogil=True)
def _curve(
    ranked: Any, at: Any, found: int, needed: Any, first: float, exact: bool, epsilon: float,
    precision: Any, scores: Any, hits: Any, taken: Any,
) -> None:  # fmt: skip
    """The best precision at each recall or later, and the score there; (R,) each.

    ``at`` (found,) says how many had been counted at each hit, ``ranked`` what its score was.
    """
    best = np.empty(found, np.int64)  # the hit whose precision is the best at this recall or later
    top = found - 1
    for i in range(found - 1, -1, -1):
        if exact:
            better = (i + 1) * at[top] > (top + 1) * at[i]
        else:
            better = (i + 1) / (at[i] + epsilon) > (top + 1) / (at[top] + epsilon)
        top = i if better else top
        best[i] = top
    for r in range(len(needed)):
        k = max(needed[r], 1) - 1
        precision[r], scores[r], hits[r], taken[r] = 0.0, 0.0, 0, 1
        if k < found:
            i = best[k]
            hits[r], taken[r] = i + 1, at[i]
            precision[r] = (i + 1) / at[i] if exact else (i + 1) / (at[i] + epsilon)
            scores[r] = ranked[k]
        if needed[r] == 0:  # where the curve begins, with or without a hit
            scores[r] = first


@njit(cache=True, nogil=True)
def accumulate(
    lo: int, hi: int, classes: Any, scores: Any, place: Any, hit: Any, skip: Any, truths: Any, limits: Any, bins: Any,
    thresholds: int, exact_bins: bool, exact: bool, epsilon: float,
    precision: Any, at_scores: Any, hits: Any, taken: Any, found: Any,
) -> None:  # fmt: skip
    """Precision, scores (T, R, K, A, M) and hits in all (T, K, A, M) of classes ``lo ... hi``.

    ``classes`` (K + 1,) is where each class begins among the detections, which are in the order of their scores.
    """
    needed = np.empty(len(bins), np.int64)
    every = (np.int64(1) << thresholds) - 1
    skipped, counts = np.empty(thresholds, np.int64), np.empty(thresholds, np.int64)
    for k in range(lo, hi):
        for a in range(truths.shape[1]):
            n = truths[k, a]
            if n == 0:
                continue
            _needed(n, bins, exact_bins, needed)
            at = np.empty((thresholds, n), np.int64)
            ranked = np.empty((thresholds, n), np.float64)
            for m in range(len(limits)):
                skipped[:], counts[:] = 0, 0
                seen, first, some = 0, 0.0, False
                for p in range(classes[k], classes[k + 1]):
                    if place[p] >= limits[m]:
                        continue
                    if not some:
                        first, some = scores[p], True
                    out, in_ = skip[p, a], hit[p, a]
                    if out == every:
                        continue
                    seen += 1
                    if out | in_:
                        for t in range(thresholds):
                            if (out >> t) & 1:
                                skipped[t] += 1
                            elif (in_ >> t) & 1:
                                at[t, counts[t]], ranked[t, counts[t]] = seen - skipped[t], scores[p]
                                counts[t] += 1
                for t in range(thresholds):
                    found[t, k, a, m] = counts[t]
                    _curve(
                        ranked[t], at[t], counts[t], needed, first, exact, epsilon, precision[t, :, k, a, m],
                        at_scores[t, :, k, a, m], hits[t, :, k, a, m], taken[t, :, k, a, m],
                    )  # fmt: skip
