"""Average precision of detections, all-point interpolation, at one IoU threshold.

The conventions, each of which other evaluators choose differently:

- boxes are xyxy with exclusive ends (no ``+ 1``); a detection matches a truth of its class and image when their IoU is
  at least the threshold (``>=``; VOC's devkit asks ``>``);
- detections choose in the order of their scores, best first, ties in the order of images and then of positions
  (so AP is not a function of the multiset: reordering *tied* detections may change it); each takes the truth of the
  largest IoU *among those not yet taken*, the first of several, as COCO does (VOC looks at the best truth only, taken
  or not);
- precision is made monotone from the right, and AP is the area under that step curve, summed at every recall reached
  (VOC 2010 and later; neither COCO's 101 nor VOC 2007's 11 recalls);
- a class with no truth has no AP: ``nan``, left out of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from minidet_kernels.overlap import iou_matrix


class Found(NamedTuple):
    """The detections of one image: boxes (D, 4) xyxy, scores (D,), labels (D,)."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Truth(NamedTuple):
    """What is in one image: boxes (T, 4) xyxy, labels (T,)."""

    boxes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Per class: ``ap`` float64 (nan where there is no truth), and the numbers of ``truths`` and ``detections``."""

    ap: np.ndarray
    truths: np.ndarray
    detections: np.ndarray

    @property
    def mean(self) -> float:
        """The mean AP of the classes that have a truth; nan if none has."""
        known = self.ap[~np.isnan(self.ap)]
        return float(known.mean()) if known.size else float("nan")


def match(boxes: np.ndarray, scores: np.ndarray, truths: np.ndarray, *, iou: float = 0.5) -> np.ndarray:
    """The index of the truth each detection takes, or -1: int64 (D,), for one image and one class.

    ``boxes`` (D, 4) and ``truths`` (T, 4) xyxy, ``scores`` (D,) without NaN.
    """
    taken_by = np.full(len(boxes), -1, dtype=np.int64)
    if not len(boxes) or not len(truths):
        return taken_by
    overlap = iou_matrix(np.asarray(boxes, np.float64), np.asarray(truths, np.float64))
    free = np.ones(len(truths), dtype=bool)
    for d in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
        candidates = np.where(free, overlap[d], -1.0)
        best = int(candidates.argmax())
        if candidates[best] >= iou:
            taken_by[d] = best
            free[best] = False
    return taken_by


def average_precision(hits: np.ndarray, scores: np.ndarray, truths: int) -> float:
    """All-point AP of one class: ``hits`` bool (D,) says which detections matched, of ``truths`` truths in all.

    nan when there is no truth; 0 when nothing was detected.
    """
    if truths == 0:
        return float("nan")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    hits = np.asarray(hits, dtype=bool)[order]
    if hits.sum() > truths:
        raise ValueError(f"{hits.sum()} detections matched {truths} truths; each truth may be matched once")
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits].sum() / truths)  # every hit is one step of recall, 1 / truths wide


def evaluate(found: Sequence[Found], truths: Sequence[Truth], classes: int, *, iou: float = 0.5) -> Evaluation:
    """AP of each of ``classes`` classes over some images; ``found[i]`` and ``truths[i]`` belong to image ``i``.

    Raises ``ValueError`` when the two differ in length, a label is not in ``range(classes)``, or a score or box is NaN.
    """
    if len(found) != len(truths):
        raise ValueError(f"detections of {len(found)} images but truths of {len(truths)}")
    for i, (f, t) in enumerate(zip(found, truths, strict=True)):
        for labels in (f.labels, t.labels):
            if len(labels) and not (np.min(labels) >= 0 and np.max(labels) < classes):
                raise ValueError(f"image {i} has a label outside range({classes}): {np.unique(labels).tolist()}")
        if any(np.isnan(np.asarray(a, np.float64)).any() for a in (f.scores, f.boxes, t.boxes)):
            raise ValueError(f"image {i} has a NaN among its boxes or scores")
    result = np.zeros(classes)
    n_truths, n_found = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for c in range(classes):
        hits, scores = [np.zeros(0, bool)], [np.zeros(0)]
        for f, t in zip(found, truths, strict=True):
            mine, theirs = np.asarray(f.labels) == c, np.asarray(t.labels) == c
            hits.append(match(f.boxes[mine], f.scores[mine], t.boxes[theirs], iou=iou) >= 0)
            scores.append(np.asarray(f.scores, np.float64)[mine])
            n_truths[c] += theirs.sum()
            n_found[c] += mine.sum()
        result[c] = average_precision(np.concatenate(hits), np.concatenate(scores), int(n_truths[c]))
    return Evaluation(result, n_truths, n_found)
