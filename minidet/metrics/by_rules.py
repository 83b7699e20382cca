"""The evaluator of boxes to read: any ``Rules``, one step after the other, decisions in exact arithmetic.

It is the definition that faster evaluators are tested against.  What takes part is chosen first, then detections are
matched within each image and class, then ranked, then the curve is integrated (``curves``), and means are taken
(``report``).

Exact is: recalls and precisions are compared as quotients of integers, AP is a rational number, and every mean is
rounded once.  IoU is float64, one rounding per operation in a written order (``matching``); for boxes with integer
corners below 2^26 a comparison of it with a threshold is that of the rational numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .columns import FoundColumns, TruthColumns, check_columns
from .curves import average_precision, rank
from .matching import match, overlaps
from .report import Key, Report
from .rules import Rules

#: The limits that recall is reported at, besides that of the rules (None).
LIMITS: tuple[int | None, ...] = (1, 10, None)


@dataclass(frozen=True, eq=False)
class _Class:
    """The truths and detections of one class, image by image; in an image truths as given, detections best first.

    ``crowd``, ``ignored``, ``no_match`` (T,) bool; ``areas`` (T,).  ``scores``, ``sizes`` (D,); ``place`` (D,) int64, a
    detection's place in its image, from 0.  ``images``: of each that has both, the first detection, the first truth,
    and their overlaps.
    """

    crowd: np.ndarray
    ignored: np.ndarray
    no_match: np.ndarray
    areas: np.ndarray
    scores: np.ndarray
    sizes: np.ndarray
    place: np.ndarray
    images: list[tuple[int, int, np.ndarray]]


def evaluate(truths: TruthColumns, found: FoundColumns, rules: Rules) -> Report:
    """How good the boxes ``found`` are, by the ``rules``.

    Images are ranked in their order (COCO's program sorts them by their number first).  Raises ``ValueError`` for an
    index of an image or class that does not exist, and for NaN or infinity among boxes and scores.
    """
    check_columns(truths, found)
    empty = (truths.boxes[:, 2:] <= 0).any(axis=1) & (rules.zero_area == "drop")
    keep = np.flatnonzero(~empty & ~(truths.crowd & (rules.crowd == "drop")))
    part = taking_part(found, rules)
    ranked, precisions, recalls = {}, {}, {}
    counts = np.zeros((3, truths.classes), np.int64)
    those, these = _by_label(truths.label[keep], truths.classes), _by_label(found.label[part], truths.classes)
    for label in range(truths.classes):
        one = _class(truths, keep[those[label]], found, part[these[label]], rules)
        for number, (area, least, most) in enumerate(rules.areas):
            ignored = one.ignored | (one.areas < least) | (one.areas > most)
            outside = (one.sizes < least) | (one.sizes > most)
            n = int((~ignored).sum())
            for t, threshold in enumerate(rules.thresholds):
                key: Key = area, t, label
                hits, skipped = _match_all(one, ignored, outside, threshold, rules)
                ranked[key] = rank(one.scores[~skipped], hits[~skipped], n, rules)
                if n:
                    precisions[key] = average_precision(ranked[key], rules)
                    for limit in LIMITS:
                        inside = one.place < (np.inf if limit is None else limit)
                        recalls[(*key, limit)] = Fraction(int((hits & ~skipped & inside).sum()), n)
                elif rules.absent == "zero":
                    precisions[key] = Fraction(0)
            if number == 0:
                counts[:, label] = n, ignored.sum(), len(one.scores)
    n_truths, n_ignored, n_found = counts
    return Report(rules, truths.classes, ranked, precisions, recalls, n_truths, n_ignored, n_found, int(empty.sum()))


def taking_part(found: FoundColumns, rules: Rules) -> np.ndarray:
    """Indices of the detections above the floor and within the limit, best first, equal ones as given."""
    order = np.argsort(-found.scores, kind="stable")
    if rules.score_floor is not None:
        order = order[found.scores[order] >= rules.score_floor]
    if rules.limit is None:
        return order
    image, label = found.image[order], found.label[order]
    place = _place(image, label if rules.limit_per == "class" else np.zeros_like(label))
    return order[place < rules.limit]


def _match_all(
    one: _Class, ignored: np.ndarray, outside: np.ndarray, threshold: float, rules: Rules
) -> tuple[np.ndarray, np.ndarray]:
    """Of the detections of a class: which are hits, and which are not counted; two bools each."""
    taken = np.full(len(one.scores), -1, np.int64)
    for d, t, overlap in one.images:
        here = slice(t, t + overlap.shape[1])
        crowd, skip = one.crowd[here].tolist(), ignored[here].tolist()
        for i, truth in enumerate(match(overlap, threshold, crowd=crowd, ignored=skip, rules=rules)):
            if truth >= 0:
                taken[d + i] = t + truth
    some = np.flatnonzero(taken >= 0)
    hits, skipped = np.zeros((2, len(taken)), bool)
    skipped[some] = ignored[taken[some]]
    hits[some] = ~one.no_match[taken[some]]
    skipped |= ~hits & outside
    return hits, skipped


def _class(truths: TruthColumns, t: np.ndarray, found: FoundColumns, d: np.ndarray, rules: Rules) -> _Class:
    """The truths ``t`` and the detections ``d`` (best first) of one class."""
    t = t[np.argsort(truths.image[t], kind="stable")]
    d = d[np.argsort(found.image[d], kind="stable")]
    crowd = truths.crowd[t] & (rules.crowd == "ignore")
    sizes = truths.boxes[t, 2] * truths.boxes[t, 3]
    annotated = truths.area[t]
    images = []
    for image in np.intersect1d(truths.image[t], found.image[d]):
        d0, d1 = np.searchsorted(found.image[d], [image, image + 1])
        t0, t1 = np.searchsorted(truths.image[t], [image, image + 1])
        boxes = found.boxes[d[d0:d1]], truths.boxes[t[t0:t1]]
        images.append((int(d0), int(t0), overlaps(*boxes, crowd[t0:t1], pixels=rules.pixels)))
    return _Class(
        crowd=crowd,
        ignored=crowd | (truths.difficult[t] & (rules.difficult == "ignore")),
        no_match=(truths.ids[t] == 0) & (rules.zero_id == "unmatched"),
        areas=np.where(np.isnan(annotated) | (rules.area == "box"), sizes, annotated),
        scores=found.scores[d],
        sizes=found.boxes[d, 2] * found.boxes[d, 3],
        place=_place(found.image[d], np.zeros_like(d)),
        images=images,
    )


def _by_label(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """For each class, where its label stands."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, classes))) if classes else []


def _place(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """How many before it have the same image and label, (D,) int64."""
    order = np.lexsort((label, image))  # stable
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(image[order]) != 0) | (np.diff(label[order]) != 0)
    starts = np.flatnonzero(new)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return place
