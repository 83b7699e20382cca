"""Which prior answers for which truth in SSD.

Liu et al. 2016, section 2.2, "Matching strategy": each truth gets the prior that overlaps it most, and then every prior
gets the truth that overlaps it most if by at least ``threshold`` (0.5).  What the paper leaves open, by name:

* ``forced``: how each truth gets its best prior.
  ``"last"``: one truth after the other, so of two with the same best prior the later one has it, and the earlier one
  may be left with none (torchvision, ssd.pytorch).
  ``"bipartite"``: the best of all pairs first, then the best of what is left, so that every truth that overlaps a
  prior has one of its own as long as there are any (Caffe; of equal overlaps it does not matter which goes first).
  ``"none"``: no truth is given one below the threshold.
* ``compare``: a prior whose best overlap equals the threshold answers (``"inclusive"``: Caffe, torchvision,
  ssd.pytorch), or does not (``"strict"``).

Of equal overlaps of one prior with several truths the first truth counts.  A truth without extent overlaps nothing by
more than 0; it is still given its first prior by "last", and none by "bipartite", as in the programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from minidet_kernels import iou_matrix

Forced = Literal["last", "bipartite", "none"]
FORCED = ("last", "bipartite", "none")
COMPARE = ("inclusive", "strict")


@dataclass(frozen=True)
class PriorMatch:
    """Of each of P priors: ``truth`` (P,) int64, -1 for none; ``iou`` (P,) with it, else 0; ``forced`` (P,) bool."""

    truth: np.ndarray
    iou: np.ndarray
    forced: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """The priors that answer for a truth, in order."""
        return np.flatnonzero(self.truth >= 0)


def check_matching(threshold: float, forced: str, compare: str) -> None:
    """Raise ``ValueError`` unless these are options of ``match_priors``."""
    if forced not in FORCED or compare not in COMPARE or not 0 <= threshold <= 1:
        raise ValueError(
            f"match_priors: forced is one of {FORCED}, compare of {COMPARE}, threshold in [0, 1]; "
            f"found {forced!r}, {compare!r}, {threshold}"
        )


def match_priors(
    priors: np.ndarray,
    truths: np.ndarray,
    *,
    threshold: float = 0.5,
    forced: Forced = "last",
    compare: Literal["inclusive", "strict"] = "inclusive",
) -> PriorMatch:
    """Match ``priors`` (P, 4) with ``truths`` (T, 4), both xyxy of one dtype and unit.

    Raises ``ValueError`` for unknown options and a threshold outside of [0, 1].
    """
    check_matching(threshold, forced, compare)
    p, t = len(priors), len(truths)
    truth, iou, by_force = np.full(p, -1, np.int64), np.zeros(p, priors.dtype), np.zeros(p, bool)
    if not (p and t):
        return PriorMatch(truth, iou, by_force)
    overlaps = iou_matrix(truths, priors)  # (T, P)
    best = overlaps.argmax(axis=0)
    iou = overlaps[best, np.arange(p)]
    answers = iou >= threshold if compare == "inclusive" else iou > threshold
    truth[answers] = best[answers]
    pairs = {
        "none": lambda: (),
        "last": lambda: enumerate(overlaps.argmax(axis=1)),
        "bipartite": lambda: _bipartite(overlaps),
    }
    for one, prior in pairs[forced]():
        truth[prior], by_force[prior] = one, True
    iou = np.where(truth >= 0, overlaps[np.maximum(truth, 0), np.arange(p)], 0).astype(priors.dtype)
    return PriorMatch(truth, iou, by_force)


def _bipartite(overlaps: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of truth and prior that overlap, the largest overlap first, no truth and no prior twice."""
    left, found = overlaps.copy(), []
    for _ in range(min(left.shape)):
        one, prior = np.unravel_index(left.argmax(), left.shape)
        if not left[one, prior] > 0:
            break
        found.append((int(one), int(prior)))
        left[one, :] = left[:, prior] = -1
    return found
