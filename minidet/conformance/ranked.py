"""Average precision from its definition: detections take truths, are ranked, and their curve is integrated.

Overlaps, precisions and recalls are rational numbers; where a convention says that a program compares them as floats,
they are rounded just there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

Overlap = Callable[[int, int, bool], tuple[Any, Any]]  # a detection, a truth, is it a crowd: intersection and whole
Point = tuple[int, int]  # hits, and detections taken until here
Outcome = tuple[bool, bool]  # is it a hit; is it left out


@dataclass(frozen=True)
class Objects:
    """Truths and detections as lists: where they are, what they are, and which truths do not count as others do."""

    truth_images: Sequence[int]
    truth_labels: Sequence[int]
    crowd: Sequence[bool]
    ignored: Sequence[bool]  # crowds among them
    zero: Sequence[bool]  # can be taken, and is no hit
    images: Sequence[int]
    labels: Sequence[int]
    scores: Sequence[float]
    outside: Sequence[bool]  # is left out where it hits nothing


def average_precisions(
    objects: Objects,
    overlap: Overlap,
    thresholds: Sequence[Fraction],
    classes: int,
    limit: int,
    dialect: Mapping[str, str],
) -> list[float | None]:
    """AP of each class, the mean over the thresholds of IoU; None where no truth counts."""
    found: list[float | None] = []
    taking_part = set(within(objects, limit, dialect))
    for label in range(classes):
        truths = [t for t, one in enumerate(objects.truth_labels) if one == label]
        n = sum(not objects.ignored[t] for t in truths)
        if n == 0:
            found.append(None)
            continue
        some = [d for d, one in enumerate(objects.labels) if one == label and d in taking_part]
        aps = []
        for threshold in thresholds:
            outcomes = matched(objects, overlap, truths, some, threshold, dialect)
            points = curve(objects, some, outcomes, dialect["score_ties"])
            aps.append(area_of(points, n, dialect["interpolation"], dialect["recall_bins"]))
        found.append(float(sum(map(Fraction, aps)) / len(aps)))
    return found


def best_first(objects: Objects, some: Sequence[int], ties: str) -> list[int]:
    """Detections by falling score; equal ones as given, or ``"backwards"``."""
    sign = -1 if ties == "backwards" else 1
    return sorted(some, key=lambda d: (-objects.scores[d], sign * d))


def within(objects: Objects, limit: int, dialect: Mapping[str, str]) -> list[int]:
    """The best ``limit`` detections of each class of an image, or of each image."""
    counts: dict[tuple[int, int], int] = {}
    kept = []
    for d in best_first(objects, range(len(objects.scores)), dialect["score_ties"]):
        key = objects.images[d], objects.labels[d] if dialect["limit_per"] == "class" else 0
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= limit:
            kept.append(d)
    return kept


def matched(
    objects: Objects,
    overlap: Overlap,
    truths: Sequence[int],
    some: Sequence[int],
    threshold: Fraction,
    dialect: Mapping[str, str],
) -> dict[int, Outcome]:
    """Of each detection of one class, whether it is a hit, and whether it is left out."""
    outcomes = {}
    taken: set[int] = set()
    for d in best_first(objects, some, dialect["score_ties"]):
        near = []
        for t in truths:
            if objects.truth_images[t] == objects.images[d]:
                inter, whole = overlap(d, t, objects.crowd[t])
                above = threshold.denominator * inter - threshold.numerator * whole
                if inter > 0 and (above > 0 or (above == 0 and dialect["compare"] == "inclusive")):
                    near.append((t, Fraction(inter) / Fraction(whole)))
        best = choice(near, objects, taken, dialect)
        if best is None:
            outcomes[d] = False, objects.outside[d]
        else:
            hit = not objects.zero[best]
            outcomes[d] = hit, objects.ignored[best] or (not hit and objects.outside[d])
    return outcomes


def choice(
    near: Sequence[tuple[int, Fraction]], objects: Objects, taken: set[int], dialect: Mapping[str, str]
) -> int | None:
    """The truth that a detection takes of those that are ``near`` enough; ``taken`` is added to."""
    sign = 1 if dialect["tie"] == "last" else -1
    if dialect["match"] == "best":
        if not near:
            return None
        t = max(near, key=lambda one: (one[1], sign * one[0]))[0]
        if t in taken:
            return None
        if not objects.ignored[t]:
            taken.add(t)
        return t
    free = [one for one in near if one[0] not in taken or objects.crowd[one[0]]]
    if not free:
        return None
    # one that counts goes before one that does not
    t = max(free, key=lambda one: (not objects.ignored[one[0]], one[1], sign * one[0]))[0]
    taken.add(t)
    return t


def curve(objects: Objects, some: Sequence[int], outcomes: Mapping[int, Outcome], ties: str) -> tuple[Point, ...]:
    """Hits and detections after each detection of one class, or with ``"together"`` after each score."""
    counted = [d for d in some if not outcomes[d][1]]
    keys: Mapping[str, Callable[[int], Any]] = {
        "given": lambda d: (-objects.scores[d], d),
        "backwards": lambda d: (-objects.scores[d], -d),
    }
    ranked = sorted(counted, key=keys.get(ties, lambda d: (-objects.scores[d], objects.images[d], d)))
    points, hits = [], 0
    for taken, d in enumerate(ranked, 1):
        hits += outcomes[d][0]
        if ties != "together" or taken == len(ranked) or objects.scores[d] != objects.scores[ranked[taken]]:
            points.append((hits, taken))
    return tuple(points)


def tops(points: Sequence[Point]) -> list[Fraction]:
    """The greatest precision with k hits or more, for k = 1, 2, ..."""
    best, found = Fraction(0), [Fraction(0)] * (points[-1][0] if points else 0)
    for i in range(len(points) - 1, -1, -1):
        hits, taken = points[i]
        if hits * best.denominator > best.numerator * taken:
            best = Fraction(hits, taken)
        for k in range(points[i - 1][0] if i else 0, hits):
            found[k] = best
    return found


@lru_cache(1024)
def area_of(points: tuple[Point, ...], truths: int, interpolation: str, bins: str) -> float:
    """AP of a curve."""
    if interpolation in ("ultralytics", "yolov5"):
        return trapezoids(points, truths, interpolation)
    best = tops(points)
    if interpolation == "area":
        return float(sum(best, Fraction(0)) / truths)
    steps = 10 if interpolation == "eleven" else 100
    times = [0] * len(best)
    for k in hits_needed(truths, steps, bins):
        if max(k, 1) <= len(best):
            times[max(k, 1) - 1] += 1
    return float(sum((n * p for n, p in zip(times, best, strict=True) if n), Fraction(0)) / (steps + 1))


@cache
def hits_needed(truths: int, steps: int, bins: str) -> tuple[int, ...]:
    """How many hits of so many truths reach the recalls 0, 1/steps ... 1; truths + 1 where none are enough."""
    if bins == "exact":
        return tuple(-(-i * truths // steps) for i in range(steps + 1))
    floats = [float(b) for b in (np.linspace(0, 1, 101) if steps == 100 else np.arange(0, 1.1, 0.1))]
    if bins == "float32":
        floats = [float(np.float32(i / steps)) for i in range(steps + 1)]
    recalls = [k / truths for k in range(truths + 1)]
    return tuple(next((k for k, recall in enumerate(recalls) if recall >= b), truths + 1) for b in floats)


def trapezoids(points: Sequence[Point], truths: int, last: str) -> float:
    """The area of a curve of straight lines, by trapezoids between the recalls 0, .01, ... 1.

    It begins with precision 1, and goes from its last point straight to precision 0 at recall 1 (``"yolov5"``), or
    falls there to 0 (``"ultralytics"``).  Where it falls, the lower value is taken.
    """
    if not points:
        return 0.0
    ends = [points[-1][0], truths] if last == "ultralytics" else [truths]
    x = [0, *(hits for hits, _ in points), *ends]  # in units of 1 / truths
    y = [1.0, *(hits / taken for hits, taken in points), *(0.0 for _ in ends)]
    for i in range(len(y) - 2, -1, -1):
        y[i] = max(y[i], y[i + 1])
    values, j = [], 0
    for i in range(101):
        while j + 1 < len(x) and 100 * x[j + 1] <= i * truths:
            j += 1
        over = Fraction(i * truths, 100) - x[j]
        values.append(y[j] if not over else y[j] + (y[j + 1] - y[j]) * float(over / (x[j + 1] - x[j])))
    return (sum(values) - (values[0] + values[-1]) / 2) / 100
