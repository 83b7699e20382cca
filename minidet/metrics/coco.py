"""COCO's evaluation, fast: boxes, masks and keypoints, computed exactly or as COCO's own program does.

A detection is compared with the truths of its image and class; at every threshold and range of areas it takes the best
truth that is left, one that counts before one that does not (``matching``).  Then the detections of each class are
ranked, and the precision at 101 recalls is averaged (``curves``).  What is exact, and where COCO's program differs, is
said by ``Rules``:

* ``"coco"``: recalls and precisions are quotients of integers and compared as such; means are rounded once.
* ``"pycocotools"``: the arrays of that program's ``eval``, and its means, bit for bit.

The result is that of ``by_rules.evaluate``, which is written to be read.  Source: Lin et al., "Microsoft COCO: Common
Objects in Context" (2014), and the pages on evaluation at cocodataset.org.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from .coco_report import CocoReport
from .columns import FoundColumns, TruthColumns
from .oks import SIGMAS
from .rules import RULES, Rules

if TYPE_CHECKING:
    from .coco_columns import Plan
    from .coco_near import Near

Kind = Literal["boxes", "masks", "keypoints"]

#: Groups that are worth a thread.
SHARE = 512
#: Thresholds: a bit of an integer for each.
MOST_THRESHOLDS = 62
#: The recalls at which precision is taken, as COCO's program makes them.
BINS = np.linspace(0.0, 1.0, 101)
#: What other rules ask for is done by ``by_rules`` alone.
_ONLY = {
    "match": "free",
    "interpolation": "coco101",
    "score_ties": "images",
    "limit_per": "class",
    "absent": "skip",
}


def rules_for(name: str, kind: Kind = "boxes") -> Rules:
    """``RULES[name]``; of keypoints, as COCO has it, at most 20 detections and no small objects."""
    rules = RULES[name]
    if kind == "keypoints":
        rules = replace(rules, limit=20, areas=tuple(area for area in rules.areas if area[0] != "small"))
    return rules


def coco(
    truths: TruthColumns,
    found: FoundColumns,
    rules: Rules | str = "coco",
    kind: Kind = "boxes",
    *,
    sigmas: Sequence[float] | np.ndarray = SIGMAS,
) -> CocoReport:
    """How good the detections ``found`` are, by COCO's evaluation: see ``CocoReport``.

    ``rules`` are COCO's or variations of them, or a name, "coco" or "pycocotools", for those that COCO has for this
    ``kind``.  Images count in the order of their index, which COCO's program has sorted by their number.  Sizes, for
    the ranges of areas: of a detection, its box's, mask's, or that of the box around its keypoints; of a truth as
    annotated, otherwise likewise.  ``sigmas`` (K,) of keypoints.  Recalls are given for 1, 10 and ``rules.limit``
    detections, of keypoints for the last alone.

    Raises ``ValueError`` for rules that COCO's evaluation does not have, columns that are missing or do not fit each
    other, an index of an image or class that does not exist, and NaN or infinity.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"coco: kind must be one of {', '.join(get_args(Kind))}, not {kind!r}")
    if isinstance(rules, str):
        rules = rules_for(rules, kind)
    from minidet_kernels import threads

    threads.apply()
    from . import coco_near as near
    from .coco_columns import check, columns_of

    _check_rules(rules)
    check(truths, found, kind, len(sigmas))
    plan = columns_of(truths, found, rules, kind)
    if kind == "boxes":
        pairs = near.of_boxes(plan, truths, found, rules)
    elif kind == "masks":
        pairs = near.of_masks(plan, truths, found, rules)
    else:
        pairs = near.of_keypoints(plan, truths, found, rules, np.asarray(sigmas, np.float64))
    return _report(plan, pairs, found.scores[plan.ranked], rules, kind)


def _check_rules(rules: Rules) -> None:
    for name, value in _ONLY.items():
        if getattr(rules, name) != value:
            raise ValueError(
                f"coco: rules with {name} {getattr(rules, name)!r} are not COCO's ({value!r}); "
                "minidet.metrics.by_rules.evaluate takes all"
            )
    if len(rules.thresholds) > MOST_THRESHOLDS:
        raise ValueError(f"coco: at most {MOST_THRESHOLDS} thresholds can be taken, not {len(rules.thresholds)}")


def _report(plan: Plan, near: Near, scores: np.ndarray, rules: Rules, kind: Kind) -> CocoReport:
    from minidet_kernels.overlap.shares import in_shares

    from .coco_columns import NO_LIMIT
    from .coco_match import accumulate, match

    areas = np.array([ends for _, *ends in rules.areas], np.float64)  # (A, 2)
    ignored = plan.ignored | (plan.areas < areas[:, :1]) | (plan.areas > areas[:, 1:])  # (A, T)
    count, ranges = len(plan.ranked), len(areas)
    place = np.full(count, NO_LIMIT, np.int64)
    hit, skip = np.zeros((count, ranges), np.int64), np.zeros((count, ranges), np.int64)
    thresholds = np.array(rules.thresholds, np.float64)
    strict, last = rules.compare == ">", rules.tie == "last"

    def match_some(lo: int, hi: int) -> None:
        match(
            lo, hi, plan.groups, near.start, near.truth, near.overlap, ignored, plan.crowd, plan.no_match, plan.sizes,
            areas, thresholds, strict, last, plan.position, place, hit, skip,
        )  # fmt: skip

    in_shares(match_some, len(plan.groups), least=SHARE)

    label = np.repeat(np.arange(plan.classes), np.diff(plan.truth_splits))
    truths = np.stack([np.bincount(label[~row], minlength=plan.classes) for row in ignored], axis=1)  # (K, A)
    limit = NO_LIMIT if rules.limit is None else rules.limit
    limits = (limit,) if kind == "keypoints" else (min(1, limit), min(10, limit), limit)
    shape = (len(thresholds), len(BINS), plan.classes, ranges, len(limits))
    precision, at_scores = np.full(shape, -1.0), np.full(shape, -1.0)
    hits, taken = np.zeros(shape, np.int32), np.ones(shape, np.int32)
    found = np.zeros((shape[0], *shape[2:]), np.int32)
    bins = BINS if rules.recall_bins != "float32" else np.array([np.float32(i / 100) for i in range(101)], np.float64)
    exact, epsilon = rules.precision == "exact", 2.0**-52
    caps = np.array(limits, np.int64)

    def accumulate_some(lo: int, hi: int) -> None:
        accumulate(
            lo, hi, plan.splits, scores, place, hit, skip, truths, caps, bins, len(thresholds),
            rules.recall_bins == "exact", exact, epsilon, precision, at_scores, hits, taken, found,
        )  # fmt: skip

    in_shares(accumulate_some, plan.classes)
    there = truths[:, :, None] > 0  # (K, A, 1)
    recall = np.where(there, found / np.where(there, truths[:, :, None], 1), -1.0)
    labels = np.repeat(np.arange(plan.classes), np.diff(plan.splits))
    took_part = np.bincount(labels[place < limit], minlength=plan.classes)
    return CocoReport(
        rules, kind, limits, precision, at_scores, recall, hits, taken, found, truths,
        np.bincount(label[ignored[0]], minlength=plan.classes), took_part, plan.dropped,
    )  # fmt: skip
