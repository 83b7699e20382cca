"""Precision, recall and F1 at a score, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .by_rules import taking_part
from .columns import FoundColumns, TruthColumns
from .curves import Ranked
from .matching import overlaps
from .rules import Rules


@dataclass(frozen=True)
class Counts:
    """Of the detections with at least ``score``, how many are right and wrong; and how many truths are missed."""

    score: float
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Right among detections; NaN without any."""
        return _quotient(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """Right among truths; NaN without any."""
        return _quotient(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of both, 2 right / (2 right + wrong + missed); NaN where there is nothing at all."""
        return _quotient(2 * self.right, 2 * self.right + self.wrong + self.missed)


def at_score(ranked: Ranked, score: float) -> Counts:
    """The counts of the detections whose score is at least ``score``."""
    taken = int((ranked.scores >= score).sum())
    right = int(ranked.hits[:taken].sum())
    return Counts(score, right, taken - right, ranked.truths - right)


def best_f1(ranked: Ranked) -> Counts:
    """The counts at the score with the greatest F1, the highest of several; of no detections, at infinity.

    A score takes all detections that have it, so only the last of equal ones can be where it is cut.
    """
    best, at = Fraction(0), float("inf")
    right = np.cumsum(ranked.hits).tolist()
    scores = ranked.scores.tolist()
    for d, score in enumerate(scores):
        if d + 1 == len(scores) or scores[d + 1] != score:
            f1 = Fraction(2 * right[d], d + 1 + ranked.truths)
            if f1 > best:
                best, at = f1, score
    return at_score(ranked, at)


def together(ranked: Iterable[Ranked]) -> Ranked:
    """The rankings of several classes as one, in the order of the scores."""
    several = list(ranked)
    scores = np.concatenate([r.scores for r in several]) if several else np.zeros(0)
    hits = np.concatenate([r.hits for r in several]) if several else np.zeros(0, bool)
    order = np.argsort(-scores, kind="stable")
    return Ranked(scores[order], hits[order], sum(r.truths for r in several))


def confusion(
    truths: TruthColumns, found: FoundColumns, rules: Rules, *, score: float, iou: float | None = None
) -> np.ndarray:
    """How often a truth of one class was found as another: (classes + 1, classes + 1) int64.

    Rows are the truths' classes, columns the detections'; the last row holds detections where nothing is (background
    taken for a class) and the last column truths that were missed; its corner is 0.  In each image the detections with
    at least ``score`` and the truths are paired whatever their class, those of the greatest IoU first (then of the
    better score, then as given), each once, when the IoU reaches ``iou`` (the first threshold of the rules).  Truths
    that the rules ignore have no row, and a detection that fits nothing but such a truth has no column.
    """
    iou = rules.thresholds[0] if iou is None else iou
    table = np.zeros((truths.classes + 1, truths.classes + 1), np.int64)
    part = taking_part(found, rules)  # best first
    part = part[found.scores[part] >= score]
    crowd = truths.crowd & (rules.crowd == "ignore")
    ignored = crowd | (truths.difficult & (rules.difficult == "ignore"))
    empty = (truths.boxes[:, 2:] <= 0).any(axis=1) & (rules.zero_area == "drop")
    here = ~empty & ~(truths.crowd & (rules.crowd == "drop"))
    those, these = np.flatnonzero(here), part[np.argsort(found.image[part], kind="stable")]
    those = those[np.argsort(truths.image[those], kind="stable")]
    ends = np.arange(1, truths.images)
    truths_of = np.split(those, np.searchsorted(truths.image[those], ends))
    found_in = np.split(these, np.searchsorted(found.image[these], ends))
    for t, d in zip(truths_of, found_in, strict=True):
        overlap = overlaps(found.boxes[d], truths.boxes[t], crowd[t], pixels=rules.pixels)
        reached = overlap > iou if rules.compare == ">" else overlap >= iou
        pairs = _pairs(np.where(ignored[t], 0.0, overlap), reached & ~ignored[t])
        for a, b in pairs:
            table[truths.label[t[b]], found.label[d[a]]] += 1
        alone = np.setdiff1d(np.arange(len(d)), [a for a, _ in pairs])
        excused = np.any(reached & ignored[t], axis=1)
        for a in alone[~excused[alone]].tolist():
            table[-1, found.label[d[a]]] += 1
        for b in np.setdiff1d(np.flatnonzero(~ignored[t]), [b for _, b in pairs]):
            table[truths.label[t[b]], -1] += 1
    return table


def _pairs(overlap: np.ndarray, allowed: np.ndarray) -> Sequence[tuple[int, int]]:
    """(detection, truth), each at most once: of those ``allowed`` (D, T) the greatest ``overlap`` first."""
    d, t = np.nonzero(allowed)
    free_d, free_t = np.ones(overlap.shape[0], bool), np.ones(overlap.shape[1], bool)
    pairs = []
    for i in np.argsort(-overlap[d, t], kind="stable"):
        if free_d[d[i]] and free_t[t[i]]:
            free_d[d[i]] = free_t[t[i]] = False
            pairs.append((int(d[i]), int(t[i])))
    return pairs


def _quotient(a: int, b: int) -> float:
    return a / b if b else float("nan")
