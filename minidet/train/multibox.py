"""SSD's loss: of locations on the priors that answer for a truth, of classes on those and on the hardest of the others.

Liu et al. 2016, equations 1 to 3 and "Hard negative mining":

    L = ( sum over positives of  smooth_l1(t - encoded truth)  +  sum over positives and mined negatives of
          -log softmax(logits)[class] )  /  N

with the class 0, "nothing", for negatives, and N the number of positives of the whole batch.  By name:

* ``ratio``: so many negatives for a positive are mined in each image, those of the largest loss, which are the ones
  most wrongly held for things; of equal losses the prior that comes first.  An image without positives has none, or
  ``fewest``.
* ``shortage``: with fewer negatives than that, all of them (``"all"``); or ``"twice"``: positives fill up what is
  missing, and so count a second time (torchvision's and NVIDIA's SSD, once more than a quarter is positive).
* ``normalise``: by ``"positives"``, of which at least 1 is counted (torchvision; ssd.pytorch divides 0 by 0), by
  ``"images"``, or not at all, ``"sum"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from minidet_kernels.arrays import Array, namespace, to_numpy

from .. import functions as F
from ..autograd import Tensor
from ..boxes.convert import cxcywh_to_xyxy
from ..boxes.encoding import encode
from ..boxes.ssd import SsdBoxes
from .prior_match import Forced, PriorMatch, check_matching, match_priors
from .truths import Truths, check_truths

Shortage = Literal["all", "twice"]
Normalise = Literal["positives", "images", "sum"]


def check_mining(ratio: float, fewest: int) -> None:
    """Raise ``ValueError`` unless these are options of ``mine``."""
    if not ratio >= 0 or fewest < 0:
        raise ValueError(f"mine: ratio and fewest must not be negative, found {ratio}, {fewest}")


def mine(losses: np.ndarray, positive: np.ndarray, *, ratio: float = 3.0, fewest: int = 0) -> np.ndarray:
    """The hardest negatives: bool (N, P), for ``losses`` (N, P) and ``positive`` bool (N, P).

    Of each image at most ``ratio`` times its positives, rounded down, and at least ``fewest``, as far as there are
    negatives.  NaN counts as the largest loss.
    """
    check_mining(ratio, fewest)
    keys = np.where(positive, np.inf, -losses)  # ascending: hardest first, positives last
    keys = np.where(np.isnan(keys), -np.inf, keys)
    rank = np.empty(keys.shape, np.int64)
    np.put_along_axis(rank, keys.argsort(axis=1, kind="stable"), np.arange(keys.shape[1])[None], axis=1)
    wanted = np.maximum((ratio * positive.sum(axis=1)).astype(np.int64), fewest)
    mined: np.ndarray = (rank < wanted[:, None]) & ~positive
    return mined


@dataclass(frozen=True)
class MultiboxTargets:
    """What the loss compares with, and who was chosen.

    ``matches``: one `PriorMatch` an image.  ``classes`` (N, P) int64, 0 for nothing.  ``locations`` (N, P, 4) float64,
    0 where no truth is.  ``positive``, ``mined`` (N, P) bool.  ``losses`` (N, P) float64: what the logits cost with
    those classes.
    """

    priors: np.ndarray
    matches: tuple[PriorMatch, ...]
    classes: np.ndarray
    locations: np.ndarray
    positive: np.ndarray
    mined: np.ndarray
    losses: np.ndarray


class MultiboxLoss:
    """``loss(maps, truths)``: one scalar for the raw maps of an SSD, Tensors, and the truths of its N images.

    ``boxes`` and ``size`` (height, width) are the network's.  ``threshold``, ``forced`` and ``compare`` are those of
    ``match_priors``; the others are described above.  Raises ``ValueError`` for unknown options.
    """

    def __init__(
        self,
        boxes: SsdBoxes,
        size: tuple[int, int],
        *,
        threshold: float = 0.5,
        forced: Forced = "last",
        compare: Literal["inclusive", "strict"] = "inclusive",
        ratio: float = 3.0,
        fewest: int = 0,
        shortage: Shortage = "all",
        location_gain: float = 1.0,
        normalise: Normalise = "positives",
    ) -> None:
        if shortage not in ("all", "twice"):
            raise ValueError(f"shortage must be 'all' or 'twice', found {shortage!r}")
        if normalise not in ("positives", "images", "sum"):
            raise ValueError(f"normalise must be 'positives', 'images' or 'sum', found {normalise!r}")
        check_matching(threshold, forced, compare)
        check_mining(ratio, fewest)
        self.boxes, self.size, self.threshold, self.forced, self.compare = boxes, size, threshold, forced, compare
        self.ratio, self.fewest, self.shortage = ratio, fewest, shortage
        self.location_gain, self.normalise = location_gain, normalise

    def targets(self, maps: Sequence[Array], truths: Sequence[Truths]) -> MultiboxTargets:
        """Who answers for what, and which negatives are mined; on the host."""
        _, logits = self.boxes.rows([to_numpy(raw) for raw in maps])
        return self._targets(logits, maps, truths)

    def _targets(self, logits: np.ndarray, maps: Sequence[Any], truths: Sequence[Truths]) -> MultiboxTargets:
        """As ``targets``, with the rows (N, P, 1 + classes) of the maps at hand."""
        check_truths(truths, self.boxes.classes)
        n, p, _ = logits.shape
        if n != len(truths):
            raise ValueError(f"maps of {n} images and truths of {len(truths)}")
        priors = self.boxes.priors([raw.shape[2:] for raw in maps[: len(self.boxes.heads)]], self.size)
        corners = cxcywh_to_xyxy(priors)
        classes, locations = np.zeros((n, p), np.int64), np.zeros((n, p, 4))
        matches = []
        for i, (boxes, labels) in enumerate(truths):
            boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
            match = match_priors(
                corners, cxcywh_to_xyxy(boxes), threshold=self.threshold, forced=self.forced, compare=self.compare
            )
            at, whose = match.positives, match.truth[match.positives]
            classes[i, at] = np.asarray(labels, np.int64)[whose] + 1
            locations[i, at] = encode(boxes[whose], priors[at], variances=self.boxes.variances)
            matches.append(match)
        positive = classes > 0
        losses = F.cross_entropy(logits.astype(np.float64).transpose(0, 2, 1), classes, reduction="none")  # (N, P)
        mined = mine(losses.data, positive, ratio=self.ratio, fewest=self.fewest)
        return MultiboxTargets(priors, tuple(matches), classes, locations, positive, mined, losses.data)

    def terms(self, maps: Sequence[Tensor], truths: Sequence[Truths]) -> Mapping[str, Tensor]:
        """The parts ``locations`` and ``classes``, scalars whose sum is the loss."""
        locations, logits = self.boxes.rows(maps, lambda rows: F.concatenate(*rows, axis=1))
        targets = self._targets(to_numpy(logits.data), maps, truths)
        xp, dtype = namespace(logits.data), logits.dtype
        positive = xp.asarray(targets.positive, dtype=dtype)
        weight = xp.asarray(self.weights(targets), dtype=dtype)
        away = F.smooth_l1(locations, Tensor(xp.asarray(targets.locations, dtype=dtype)), reduction="none")
        wrong = F.cross_entropy(
            F.transpose(logits, axes=(0, 2, 1)), xp.asarray(targets.classes), reduction="none"
        )  # (N, P)
        share = {"positives": targets.positive.sum(), "images": len(truths), "sum": 1}[self.normalise]
        scale = 1 / max(float(share), 1.0)
        return {
            "locations": F.mul(F.sum(F.mul(away, positive[..., None])), scale * self.location_gain),
            "classes": F.mul(F.sum(F.mul(wrong, weight)), scale),
        }

    def weights(self, targets: MultiboxTargets) -> np.ndarray:
        """How often each prior's class counts (N, P)."""
        weight = (targets.positive | targets.mined).astype(np.float64)
        if self.shortage == "twice":
            wanted = (self.ratio * targets.positive.sum(axis=1)).astype(np.int64)
            for image, missing in enumerate(wanted - targets.mined.sum(axis=1)):
                weight[image, np.flatnonzero(targets.positive[image])[: max(missing, 0)]] += 1
        return weight

    def __call__(self, maps: Sequence[Tensor], truths: Sequence[Truths]) -> Tensor:
        return reduce(F.add, self.terms(maps, truths).values())
