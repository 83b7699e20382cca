"""Everything that `minidet eval` reports of one data set, by one set of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .by_rules import evaluate
from .columns import FoundColumns, TruthColumns
from .counts import Counts, at_score, best_f1, confusion, together
from .report import Report
from .rules import Rules

#: So many detections are worth the fast evaluator (``coco``), which takes seconds to get ready on its first use.
MANY = 5000

#: Rules that differ from COCO's in one of these are for ``by_rules`` alone.
OTHERS = ("match", "interpolation", "score_ties", "limit_per", "absent")

_COCO = Rules()


@dataclass(frozen=True, eq=False)
class Summary:
    """The numbers, a row for each class, the counts at one score, and what plots need.

    numbers     the twelve of COCO by name; NaN where there is none.
    classes     for each class what ``Report.per_class`` says, and precision, recall, F1 at the score.
    counts      of all classes together, at the score.
    at          the score: what was asked for, or that of the best F1 of all classes together (infinity for none).
    iou         the threshold of counts, curves and confusion: the first of the rules.
    confusion   (classes + 1, classes + 1) int64, as ``counts.confusion`` makes it.
    curves      a report that holds the rankings at that threshold.
    dropped     truths left out because they have no area.
    """

    numbers: dict[str, float]
    classes: list[dict[str, Any]]
    counts: Counts
    at: float
    iou: float
    confusion: np.ndarray
    curves: Report
    dropped: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values; NaN and infinity stand for what is not there."""
        return {
            "numbers": self.numbers,
            "dropped": self.dropped,
            "iou": self.iou,
            "counts": _counts(self.counts),
            "classes": self.classes,
            "confusion": self.confusion.tolist(),
        }


def summarise(
    truths: TruthColumns, found: FoundColumns, rules: Rules, names: Sequence[str], *, at: float | None = None
) -> Summary:
    """Evaluate, and count at the score ``at`` (that of the best F1 when left out)."""
    curves, numbers, rows = _evaluate(truths, found, rules, names)
    rankings = [curves.curve(k) for k in range(truths.classes)]
    everything = together(rankings)
    total = best_f1(everything) if at is None else at_score(everything, at)
    for row, ranked in zip(rows, rankings, strict=True):
        counts = at_score(ranked, total.score)
        row.update({name: getattr(counts, name) for name in ("precision", "recall", "f1")})
    table = confusion(truths, found, rules, score=total.score)
    return Summary(numbers, rows, total, total.score, rules.thresholds[0], table, curves, curves.dropped)


def _evaluate(
    truths: TruthColumns, found: FoundColumns, rules: Rules, names: Sequence[str]
) -> tuple[Report, dict[str, float], list[dict[str, Any]]]:
    """A report with the rankings at the first threshold, and the numbers; of many detections by the fast evaluator."""
    if len(found.scores) < MANY or any(getattr(rules, name) != getattr(_COCO, name) for name in OTHERS):
        report = evaluate(truths, found, rules)
        return report, report.twelve(), report.per_class(names)
    from .coco import coco

    one = replace(rules, thresholds=rules.thresholds[:1], areas=rules.areas[:1])
    fast = coco(truths, found, rules)
    return evaluate(truths, found, one), fast.numbers(), fast.per_class(names)


def _counts(counts: Counts) -> dict[str, Any]:
    return {**asdict(counts), **{name: getattr(counts, name) for name in ("precision", "recall", "f1")}}
