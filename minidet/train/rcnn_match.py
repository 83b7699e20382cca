"""Which anchor or proposal answers for which truth in Faster R-CNN, and which of them are learned from.

Ren et al., "Faster R-CNN" (2015), section 3.1.2, and Girshick, "Fast R-CNN" (2015), section 2.3.  With the IoU of a box
with the truth that overlaps it most, the lowest of equal ones:

    from ``high`` on          it answers for that truth
    from ``low`` to ``high``  it is left out (``BETWEEN``)
    below ``low``             it is told that there is nothing (``BELOW``)

What is done for a truth that no box reaches by ``high``, by name (``low_quality``):

* ``"none"``: nothing (the proposals of Fast R-CNN).
* ``"ties"``: every box that overlaps some truth as much as any box does answers, for the truth that *it* overlaps most,
  which may be another one (anchors in torchvision, detectron2, py-faster-rcnn).
* ``"first"``: the first such box of each truth answers, for that truth; of two truths with the same box the later has
  it (``match_priors(forced="last")``, mmdetection; in the Object Detection API of TensorFlow the earlier has it).

``untouched``: a truth that no box overlaps at all is answered for by nobody (``"leave"``), or, by the letter of
``"ties"``, by all boxes that overlap nothing, since they all overlap it as much as any (``"all"``: torchvision,
detectron2; a truth without area then calls every anchor its own).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from minidet_kernels import iou_matrix
from minidet_kernels.overlap import match

from .prior_match import match_priors

#: What a box is that answers for no truth: ``truth`` is one of these.
BELOW, BETWEEN = -1, -2
LOW_QUALITY = ("none", "ties", "first")

#: ``k`` different ones of ``range(n)``, in any order: how chance chooses, and how a test fixes what is chosen.
Pick = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class BoxMatch:
    """Of P boxes: ``truth`` (P,) int64, an index, ``BELOW`` or ``BETWEEN``; ``iou`` (P,), the largest overlap."""

    truth: np.ndarray
    iou: np.ndarray

    @property
    def positive(self) -> np.ndarray:
        """Which boxes answer for a truth (P,) bool."""
        return np.asarray(self.truth >= 0)

    @property
    def negative(self) -> np.ndarray:
        """Which are told that there is nothing (P,) bool."""
        return np.asarray(self.truth == BELOW)


def match_boxes(
    boxes: np.ndarray,
    truths: np.ndarray,
    *,
    high: float,
    low: float,
    low_quality: Literal["none", "ties", "first"] = "none",
    untouched: Literal["leave", "all"] = "leave",
) -> BoxMatch:
    """Match ``boxes`` (P, 4) with ``truths`` (T, 4), both xyxy of one dtype and unit; without truths all are ``BELOW``.

    Raises ``ValueError`` for unknown options, and unless 0 <= low <= high <= 1.
    """
    if low_quality not in LOW_QUALITY or untouched not in ("leave", "all") or not 0 <= low <= high <= 1:
        raise ValueError(
            f"match_boxes: low_quality is one of {LOW_QUALITY}, untouched 'leave' or 'all', 0 <= low <= high <= 1; "
            f"found {low_quality!r}, {untouched!r}, {low}, {high}"
        )
    if not (len(boxes) and len(truths)):
        return BoxMatch(np.full(len(boxes), BELOW, np.int64), np.zeros(len(boxes), boxes.dtype))
    own, iou, _, best = match(boxes, truths)
    truth = np.where(iou >= high, own, np.where(iou >= low, BETWEEN, BELOW))
    touched = np.flatnonzero(best > 0) if untouched == "leave" else np.arange(len(truths))
    if low_quality == "ties" and len(touched):
        # a box that ties with the best of a truth overlaps some truth by at least that much
        near = np.flatnonzero(iou >= best[touched].min())
        ties = (iou_matrix(truths[touched], boxes[near]) == best[touched, None]).any(axis=0)
        truth[near[ties]] = own[near[ties]]
    if low_quality == "first" and len(touched):
        forced = match_priors(boxes, truths[touched], threshold=1.0, forced="last", compare="strict")
        truth[forced.positives] = touched[forced.truth[forced.positives]]
    return BoxMatch(truth, iou)


def by_chance(rng: np.random.Generator) -> Pick:
    """A choice in which all are equally likely."""
    return lambda n, k: rng.choice(n, k, replace=False, shuffle=False)


def the_first(n: int, k: int) -> np.ndarray:
    """The choice of the first ones: for tests, and for two programs to be compared."""
    return np.arange(k)


def sample(
    positive: np.ndarray, negative: np.ndarray, *, count: int, fraction: float, pick: Pick
) -> tuple[np.ndarray, np.ndarray]:
    """Some positives and some negatives, indices in ascending order, of flags (P,) bool.

    At most ``count`` in all, of which at most ``fraction`` (rounded down) are positive; negatives fill what is left, as
    far as there are any.  The RPN takes 256 and a half, the heads 512 and a quarter (torchvision).  ``pick`` is asked
    for the positives first, then for the negatives.  Raises ``ValueError`` for a negative count and a fraction outside
    of [0, 1].
    """
    if count < 0 or not 0 <= fraction <= 1:
        raise ValueError(f"sample: a count from 0 and a fraction from 0 to 1, found {count}, {fraction}")
    chosen, left = [], count
    for flags, most in ((positive, int(count * fraction)), (negative, count)):
        there = np.flatnonzero(flags)
        k = min(len(there), most, left)
        chosen.append(np.sort(there[pick(len(there), k)]) if k else there[:0])
        left -= k
    return chosen[0], chosen[1]
