"""From ranked detections to average precision, as the rules say; rational where a decision is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .rules import Rules

#: Binary places kept of each number of a mean: far more than any order of adding could show in a float64.
PLACES = 256


@dataclass(frozen=True, eq=False)
class Ranked:
    """The counted detections of one class in the order of their scores, at one threshold and range of areas.

    ``scores`` (D,) float64, falling; ``hits`` (D,) bool; ``truths`` how many there are to be found.
    """

    scores: np.ndarray
    hits: np.ndarray
    truths: int

    @property
    def recall(self) -> np.ndarray:
        """The recall when so many are taken, (D,) float64; NaN without truths."""
        return np.cumsum(self.hits) / self.truths if self.truths else np.full(len(self.hits), np.nan)

    @property
    def precision(self) -> np.ndarray:
        """The precision when so many are taken, (D,) float64."""
        return np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1)


def rank(scores: np.ndarray, hits: np.ndarray, truths: int, rules: Rules) -> Ranked:
    """Detections in the order of their scores; those with equal ones as ``rules.score_ties`` says."""
    keys = {"hits_first": (~hits, -scores), "hits_last": (hits, -scores)}.get(rules.score_ties, (-scores,))
    order = np.lexsort(keys)  # stable, by the last key first
    return Ranked(scores[order], hits[order], truths)


def average_precision(ranked: Ranked, rules: Rules) -> Fraction:
    """AP of one class with at least one truth, exactly what the rules define (floats in them are taken as they are)."""
    tops = _tops(ranked, rules)
    n = ranked.truths
    if rules.interpolation == "all":
        return _sum(tops) / n  # each hit is one step of recall, 1/n wide
    if rules.interpolation in ("coco101", "voc11"):
        steps = 100 if rules.interpolation == "coco101" else 10
        needed = _hits_for_bins(n, steps, rules)
        return _sum(tops[max(k, 1) - 1] for k in needed if max(k, 1) <= len(tops)) / (steps + 1)
    return Fraction(_trapezoids(ranked, rules))


def mean(values: Iterable[Fraction]) -> float:
    """The mean of rational numbers, rounded once; NaN of none."""
    # Sums of many fractions have denominators of thousands of digits: each is cut to 256 binary places first.
    cut = [(v.numerator << PLACES) // v.denominator for v in values]
    return float(Fraction(sum(cut), len(cut) << PLACES)) if cut else float("nan")


def _sum(values: Iterable[Fraction]) -> Fraction:
    """The sum; equal values, which an interpolated curve is full of, are multiplied rather than added."""
    return sum((value * times for value, times in Counter(values).items()), Fraction(0))


def _tops(ranked: Ranked, rules: Rules) -> list[Fraction]:
    """The interpolated precision at each hit, the best at that recall or a later one."""
    positions = np.flatnonzero(ranked.hits)
    hits, taken = list(range(1, len(positions) + 1)), (positions + 1).tolist()
    if rules.score_ties == "together":  # the curve has a point only where a group of equal scores ends
        ends = np.searchsorted(-ranked.scores, -ranked.scores[positions], side="right")
        hits, taken = np.cumsum(ranked.hits)[ends - 1].tolist(), ends.tolist()
    tops: list[Fraction] = []
    best = Fraction(0)
    for tp, all_taken in zip(reversed(hits), reversed(taken), strict=True):
        best = max(best, _precision(tp, all_taken, rules))
        tops.append(best)
    return tops[::-1]


def _precision(tp: int, taken: int, rules: Rules) -> Fraction:
    if rules.precision == "exact":
        return Fraction(tp, taken)
    return Fraction(tp / (taken + 2.0**-52))  # two roundings, as in float64


def _hits_for_bins(n: int, steps: int, rules: Rules) -> Sequence[int]:
    """How many hits of ``n`` truths it takes to reach each recall i/steps; n + 1 where none are enough."""
    if rules.recall_bins == "exact":
        return [-(-i * n // steps) for i in range(steps + 1)]
    if rules.recall_bins == "float32":
        bins = np.array([np.float32(i / steps) for i in range(steps + 1)], np.float64)
    elif steps == 100:
        bins = np.linspace(0.0, 1.0, 101)
    else:
        bins = np.arange(0.0, 1.1, 0.1)
    return np.searchsorted(np.arange(n + 1) / n, bins, side="left").tolist()


def _trapezoids(ranked: Ranked, rules: Rules) -> float:
    """The area under straight lines between 101 points of the interpolated curve, in float64 as those programs do."""
    if not len(ranked.hits):
        return 0.0
    recall, precision = ranked.recall, ranked.precision
    if rules.score_ties == "together":
        last = np.append(np.diff(ranked.scores) != 0, True)
        recall, precision = recall[last], precision[last]
    ends = ([recall[-1], 1.0], [0.0, 0.0]) if rules.interpolation == "ultralytics" else ([1.0], [0.0])
    x, y = np.concatenate(([0.0], recall, ends[0])), np.concatenate(([1.0], precision, ends[1]))
    y = np.maximum.accumulate(y[::-1])[::-1]
    at = np.linspace(0.0, 1.0, 101)
    return float(np.trapezoid(np.interp(at, x, y), at))
