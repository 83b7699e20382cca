"""Pairs of a detection and a truth that overlap enough to be a match: of boxes, masks or keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minidet_kernels.overlap.shares import in_shares

from .coco_columns import Plan, local
from .coco_match import near_boxes
from .columns import FoundColumns, TruthColumns
from .oks import oks
from .rules import Rules

#: Groups that are worth a thread.
SHARE = 2048


@dataclass(frozen=True, eq=False)
class Near:
    """Of detection ``d`` of ``Plan.grouped``: pairs ``start[d]`` to ``start[d + 1]`` of ``truth`` and ``overlap``.

    ``truth`` are places in ``Plan.truth``, in their order; int64.
    """

    start: np.ndarray
    truth: np.ndarray
    overlap: np.ndarray


def of_boxes(plan: Plan, truths: TruthColumns, found: FoundColumns, rules: Rules) -> Near:
    """Pairs of boxes, by IoU; of crowds, the intersection over the detection's area."""
    boxes, others = found.boxes[plan.grouped], truths.boxes[plan.truth]
    start = np.zeros(len(boxes) + 1, np.int64)
    truth, overlap = np.zeros(0, np.int64), np.zeros(0, np.float64)
    one = 1.0 if rules.pixels == "inclusive" else 0.0
    least, strict = min(rules.thresholds), rules.compare == ">"

    def work(lo: int, hi: int) -> None:
        near_boxes(lo, hi, plan.groups, boxes, others, plan.crowd, one, least, strict, start, truth, overlap)

    in_shares(work, len(plan.groups), least=SHARE)
    np.cumsum(start, out=start)
    truth, overlap = np.empty(start[-1], np.int64), np.empty(start[-1], np.float64)
    if len(truth):
        in_shares(work, len(plan.groups), least=SHARE)
    return Near(start, truth, overlap)


def of_masks(plan: Plan, truths: TruthColumns, found: FoundColumns, rules: Rules) -> Near:
    """Pairs of masks, image by image."""
    from minidet_kernels.masks.pairs import pair_overlaps

    those, these = truths.masks or [], found.masks or []
    groups, first = _by_image(plan, truths.images)
    mine, theirs = local(found.image, truths.images)[plan.grouped], local(truths.image, truths.images)[plan.truth]
    parts: list[tuple[np.ndarray, ...]] = [()] * truths.images

    def work(lo: int, hi: int) -> None:
        for i in range(lo, hi):
            if first[i] == first[i + 1]:
                continue
            d, t = _all_pairs(groups[first[i] : first[i + 1]])
            crowd = np.zeros(len(those[i]), np.bool_)
            crowd[theirs[t]] = plan.crowd[t]
            overlap = pair_overlaps(these[i], those[i], mine[d], theirs[t], crowd)
            parts[i] = _enough(d, t, overlap, rules)

    in_shares(work, truths.images, least=8)
    return _joined([part for part in parts if part], len(plan.grouped))


def of_keypoints(plan: Plan, truths: TruthColumns, found: FoundColumns, rules: Rules, sigmas: np.ndarray) -> Near:
    """Pairs of keypoints, group by group, by ``oks``."""
    assert truths.keypoints is not None
    assert found.keypoints is not None
    parts = []
    for d0, d1, t0, t1 in plan.groups.tolist():
        if t0 < t1:
            these, those = plan.grouped[d0:d1], plan.truth[t0:t1]
            boxes, areas = truths.boxes[those], plan.areas[t0:t1]
            overlap = oks(found.keypoints[these], truths.keypoints[those], boxes, areas, sigmas)
            d, t = (x.reshape(-1) for x in np.mgrid[d0:d1, t0:t1])
            parts.append(_enough(d, t, overlap.reshape(-1), rules))
    return _joined(parts, len(plan.grouped))


def _by_image(plan: Plan, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups that have truths, image by image, and where each image begins, (images + 1,)."""
    some = np.flatnonzero(plan.groups[:, 2] < plan.groups[:, 3])
    order = some[np.argsort(plan.image[some], kind="stable")]
    first = np.concatenate([[0], np.cumsum(np.bincount(plan.image[order], minlength=images))])
    return plan.groups[order], first


def _all_pairs(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every detection of each group with every truth of it."""
    n, m = groups[:, 1] - groups[:, 0], groups[:, 3] - groups[:, 2]
    which = np.repeat(np.arange(len(groups)), n * m)
    within = np.arange(len(which)) - np.repeat(np.cumsum(n * m) - n * m, n * m)
    return groups[which, 0] + within // m[which], groups[which, 2] + within % m[which]


def _enough(d: np.ndarray, t: np.ndarray, overlap: np.ndarray, rules: Rules) -> tuple[np.ndarray, ...]:
    least = min(rules.thresholds)
    chosen = overlap > least if rules.compare == ">" else overlap >= least
    return d[chosen], t[chosen], overlap[chosen]


def _joined(parts: list[tuple[np.ndarray, ...]], n: int) -> Near:
    """Pairs from many places, in order."""
    if not parts:
        return Near(np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0))
    d, t, overlap = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((t, d))
    start = np.concatenate([[0], np.cumsum(np.bincount(d, minlength=n))])
    return Near(start, t[order], overlap[order])
