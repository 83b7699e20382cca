"""Why two evaluators give different numbers for the same detections: the difference, split into named causes.

The two differ in some fields of their ``Rules``.  ``walk`` changes one field after the other, in the order of
``CAUSES``, which is that in which an evaluator comes to them; what each change adds is that field's part, and the parts
add up to the difference because every step starts where the last one ended.  A part may depend on the order where
fields act on each other (the pixel convention only matters for boxes whose IoU then passes the threshold).  ``shapley``
does not: it is the mean over all orders (L. S. Shapley, "A value for n-person games", 1953), at 2^n evaluations for n
fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from .by_rules import evaluate
from .columns import FoundColumns, TruthColumns
from .report import TWELVE
from .rules import Rules

#: The fields in the order in which they are changed -> what a difference in one is called.
CAUSES: dict[str, str] = {
    "zero_area": "zero area",
    "crowd": "crowds",
    "difficult": "difficult",
    "score_floor": "score floor",
    "limit_per": "limit per class or image",
    "limit": "detection limit",
    "area": "area source",
    "areas": "area ranges",
    "pixels": "pixel convention",
    "match": "match rule",
    "compare": "comparison",
    "tie": "ties of IoU",
    "zero_id": "zero id",
    "thresholds": "thresholds",
    "score_ties": "ties of scores",
    "precision": "precision",
    "interpolation": "interpolation",
    "recall_bins": "recall bins",
    "absent": "classes without truth",
}

#: The most fields that ``shapley`` takes: 4096 evaluations.
MOST_FIELDS = 12

Track = Callable[[Any], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Part:
    """A field in which the rules differ, its values in the one and the other, and what it adds to the number."""

    field: str
    before: Any
    after: Any
    delta: Fraction

    @property
    def cause(self) -> str:
        """What it is called."""
        return CAUSES[self.field]


@dataclass(frozen=True)
class Explanation:
    """``number`` ("AP") by the one and by the other rules, and the parts, which add up exactly to the difference."""

    number: str
    start: Fraction
    end: Fraction
    parts: tuple[Part, ...]

    @property
    def total(self) -> Fraction:
        """The difference."""
        return self.end - self.start

    def rounded(self, places: int) -> tuple[int, list[int], int]:
        """Start, parts and end in units of 10^-places, rounded so that they still add up exactly.

        The number after each part is rounded, and a part is the difference of two of those: off by less than a unit.
        """
        reached, last = self.start, _round(self.start, places)
        first, parts = last, []
        for part in self.parts:
            reached += part.delta
            now = _round(reached, places)
            parts.append(now - last)
            last = now
        return first, parts, last


def differences(a: Rules, b: Rules) -> list[str]:
    """The fields in which two rules differ, in the order of ``CAUSES``."""
    return [field for field in CAUSES if getattr(a, field) != getattr(b, field)]


def walk(
    truths: TruthColumns, found: FoundColumns, a: Rules, b: Rules, *, number: str = "AP", track: Track = nullcontext
) -> Explanation:
    """The difference of ``number`` (of ``TWELVE``) between rules ``a`` and ``b``, one field changed after the other.

    ``track`` wraps the evaluations to come, for a progress bar.  Raises ``ValueError`` when the number does not exist
    by one of the rules on the way (no truth to be found, or no such threshold).
    """
    fields = differences(a, b)
    steps = [a]
    for field in fields:
        steps.append(replace(steps[-1], **{field: getattr(b, field)}))
    with track(steps) as rules:
        values = [_value(truths, found, one, number) for one in rules]
    parts = [
        Part(field, getattr(a, field), getattr(b, field), after - before)
        for field, before, after in zip(fields, values, values[1:], strict=False)
    ]
    return Explanation(number, values[0], values[-1], tuple(parts))


def shapley(
    truths: TruthColumns, found: FoundColumns, a: Rules, b: Rules, *, number: str = "AP", track: Track = nullcontext
) -> Explanation:
    """The same with each part the mean over all orders, so that none matters.  Raises also for too many fields."""
    fields = differences(a, b)
    n = len(fields)
    if n > MOST_FIELDS:
        raise ValueError(f"the rules differ in {n} fields, and {MOST_FIELDS} at most are split over all orders")
    sets = [frozenset(some) for size in range(n + 1) for some in combinations(fields, size)]
    with track(sets) as steps:
        values = {
            some: _value(truths, found, replace(a, **{field: getattr(b, field) for field in some}), number)
            for some in steps
        }
    parts = []
    for field in fields:
        delta = sum(
            (
                Fraction(math.factorial(len(some)) * math.factorial(n - 1 - len(some)), math.factorial(n))
                * (values[some | {field}] - values[some])
                for some in sets
                if field not in some
            ),
            Fraction(0),
        )
        parts.append(Part(field, getattr(a, field), getattr(b, field), delta))
    return Explanation(number, values[frozenset()], values[frozenset(fields)], tuple(parts))


def _value(truths: TruthColumns, found: FoundColumns, rules: Rules, number: str) -> Fraction:
    """One of the twelve numbers, as a rational: only the range of areas and the thresholds that it needs."""
    kind, threshold, area, limit = TWELVE[number]
    first = rules.areas[0][0]
    wanted = first if area == "all" else area
    rules = replace(rules, areas=tuple(row for row in rules.areas if row[0] == wanted) or rules.areas[:1])
    if threshold is not None:
        near = tuple(t for t in rules.thresholds if abs(t - threshold) < 1e-6)
        if not near:
            raise ValueError(
                f"{number} is at an IoU of {threshold}, which is none of the thresholds {rules.thresholds}"
            )
        rules = replace(rules, thresholds=near)
    report = evaluate(truths, found, rules)
    value = report.ap(area=wanted) if kind == "ap" else report.ar(area=wanted, limit=limit)
    if math.isnan(value):
        raise ValueError(f"{number} does not exist: there is no truth that counts")
    return Fraction(value)


def _round(value: Fraction, places: int) -> int:
    return round(value * 10**places)
