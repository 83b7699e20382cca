"""What Faster R-CNN makes of its two predictions: proposals of anchors, and detections of proposals, on host arrays.

Ren et al., "Faster R-CNN" (2015), sections 3.1 and 3.2.  Both decode differences (`minidet.boxes.encoding`), clip to
the image, leave out small boxes and low scores, and suppress what overlaps something better; every step is kept.

Conventions of proposals, which programs do differently (here by the name ``rule``):

* ``"torchvision"``: the best of each level by logit; clip; sides of at least 1e-3; sigmoid; scores of at least the
  threshold; suppression by score within each level; the best of all levels together.
* ``"detectron2"``: not finite boxes are left out; clip; sides above 0; suppression by *logit* (in float32, logits from
  17 on have one and the same sigmoid, 1); the best of all levels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import batched_nms

from ..errors import InputError
from .convert import clip, cxcywh_to_xyxy, xyxy_to_cxcywh
from .encoding import LARGEST, decode, encode
from .yolo import sigmoid, softmax

RULES = ("torchvision", "detectron2")
#: Of centres and of sides: nothing is scaled for anchors, by 10 and 5 for proposals.
ANCHOR_VARIANCES = (1.0, 1.0)
BOX_VARIANCES = (0.1, 0.2)
#: Sides in pixels below which a proposal, and a detection, is left out.
SMALLEST_PROPOSAL, SMALLEST_BOX = 1e-3, 1e-2


def box_targets(boxes: np.ndarray, priors: np.ndarray, variances: tuple[float, float] = BOX_VARIANCES) -> np.ndarray:
    """The differences (K, 4) of ``boxes`` (K, 4) from ``priors`` (K, 4), both xyxy in pixels."""
    return encode(xyxy_to_cxcywh(boxes), xyxy_to_cxcywh(priors), variances=variances)


def decode_boxes(deltas: np.ndarray, priors: np.ndarray, variances: tuple[float, float] = BOX_VARIANCES) -> np.ndarray:
    """The boxes (..., K, 4) xyxy that ``deltas`` (..., K, 4) make of ``priors`` (K, 4) xyxy, in the deltas' dtype."""
    centres = xyxy_to_cxcywh(priors.astype(deltas.dtype, copy=False))
    return cxcywh_to_xyxy(decode(deltas, centres, variances=variances, largest=LARGEST))


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices (int64) of the ``count`` greatest of ``scores`` (M,), or all; greatest first, equal ones by index."""
    chosen = np.arange(len(scores))
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count] if count else np.inf
        chosen = np.flatnonzero(scores >= least)
    return chosen[np.argsort(-scores[chosen], kind="stable")][:count]


def large(boxes: np.ndarray, smallest: float) -> np.ndarray:
    """Which of the boxes (M, 4) have both sides of at least ``smallest``."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= boxes.dtype.type(smallest)).all(axis=1)


@dataclass(frozen=True)
class Proposals:
    """The proposals of one image: ``boxes`` (K, 4) xyxy in pixels of the input, clipped, best first, ``scores`` (K,).

    How they came about: the candidates before suppression are ``before`` (B, 4), with ``before_scores`` (what was
    compared: sigmoids, or logits for detectron2), the level of each, ``levels`` (B,), counted from the finest, and the
    anchor of each, ``anchor`` (B,), an index into all of the image's anchors.  ``kept`` (K,) says which candidates the
    proposals are, and ``passed`` (P,) all that were not suppressed, of which the proposals are the first.
    """

    boxes: np.ndarray
    scores: np.ndarray
    before: np.ndarray
    before_scores: np.ndarray
    levels: np.ndarray
    anchor: np.ndarray
    kept: np.ndarray
    passed: np.ndarray
    threshold: float

    def suppressors(self) -> np.ndarray:
        """For each candidate (B,) the candidate that suppressed it: the best one that it overlaps; -1 of those left."""
        return suppressors(self.before, self.levels, self.passed, self.threshold)


def suppressors(boxes: np.ndarray, classes: np.ndarray, kept: np.ndarray, threshold: float) -> np.ndarray:
    """For each box (B,) the first of ``kept`` (best first, of its class) that overlaps it too much; -1 of the kept."""
    by = np.full(len(boxes), -1, np.int64)
    dropped = np.setdiff1d(np.arange(len(boxes)), kept)
    if not len(dropped):
        return by
    limit = boxes.dtype.type(threshold)
    for c in np.unique(classes[dropped]):
        mine, those = dropped[classes[dropped] == c], kept[classes[kept] == c]
        over = iou_matrix(boxes[those], boxes[mine]) > limit  # (kept, dropped)
        by[mine] = those[over.argmax(axis=0)]  # the first, which is the best: it was taken before the one it drops
    return by


def propose(
    logits: Sequence[np.ndarray],
    deltas: Sequence[np.ndarray],
    anchors: Sequence[np.ndarray],
    size: tuple[int, int],
    *,
    before: int = 1000,
    after: int = 1000,
    threshold: float = 0.7,
    score: float = 0.0,
    rule: str = "torchvision",
) -> Proposals:
    """The proposals of one image of ``size`` (height, width), without its padding.

    Each level has logits (M,), deltas (M, 4) and anchors (M, 4) xyxy.  ``before`` is how many of each level's go into
    suppression (at IoU above ``threshold``), ``after`` how many are left at most, of all levels.  Raises `InputError`
    where the network gave NaN.
    """
    if rule not in RULES:
        raise ValueError(f"propose: rule is one of {', '.join(map(repr, RULES))}, not {rule!r}")
    broken = sum(int(np.isnan(level).sum()) for level in (*logits, *deltas))
    if broken:
        raise InputError(f"the network gave {broken} NaN for its proposals; the weights are damaged, or of another one")
    boxes, values, levels, which, first = [], [], [], [], 0
    for number, (x, d, a) in enumerate(zip(logits, deltas, anchors, strict=True)):
        top = best(x, before)
        boxes.append(decode_boxes(d[top], a[top], ANCHOR_VARIANCES))
        values.append(x[top])
        levels.append(np.full(len(top), number, np.int64))
        which.append(top + first)
        first += len(x)
    found, value, level, anchor = (np.concatenate(parts) for parts in (boxes, values, levels, which))
    finite = np.isfinite(found).all(axis=1)
    found = clip(found, size)
    if rule == "torchvision":
        value = sigmoid(value)
        some = large(found, SMALLEST_PROPOSAL) & (value >= value.dtype.type(score))
    else:
        some = finite & (found[:, 2:] > found[:, :2]).all(axis=1)
    found, value, level, anchor = found[some], value[some], level[some], anchor[some]
    passed = batched_nms(found, value, level, threshold=threshold)
    kept = passed[:after]
    scores = value[kept] if rule == "torchvision" else sigmoid(value[kept])
    return Proposals(found[kept], scores, found, value, level, anchor, kept, passed, threshold)


@dataclass(frozen=True)
class Found:
    """The detections of one image: ``boxes`` (K, 4) xyxy in pixels of the input, ``scores`` (K,), best first.

    ``labels`` (K,) are of things, from 0: the network's class less one.  ``proposal`` (K,): which proposal each was.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    proposal: np.ndarray


def select(
    logits: np.ndarray,
    deltas: np.ndarray,
    proposals: np.ndarray,
    size: tuple[int, int],
    *,
    score: float = 0.05,
    threshold: float = 0.5,
    most: int = 100,
) -> Found:
    """The detections of one image of ``size`` (height, width) from the box head's predictions.

    ``logits`` (K, 1 + classes), the first of which is "nothing"; ``deltas`` (K, 4 (1 + classes)), a box for each class;
    ``proposals`` (K, 4).  A box is kept for a class whose probability is above ``score``; suppression is per class at
    IoU above ``threshold``, and ``most`` are left.  Raises `InputError` where the network gave NaN.
    """
    if np.isnan(logits).any() or np.isnan(deltas).any():
        raise InputError(
            "the network gave NaN for its boxes; the weights are damaged, or are not those of this network"
        )
    classes = logits.shape[1] - 1
    probability = softmax(logits)[:, 1:] if len(logits) else np.zeros((0, classes), logits.dtype)
    proposal, label = np.nonzero(probability > probability.dtype.type(score))
    codes = deltas.reshape(len(deltas), 1 + classes, 4)[proposal, label + 1]
    boxes = clip(decode_boxes(codes, proposals[proposal]), size)
    some = large(boxes, SMALLEST_BOX)
    boxes, label, proposal = boxes[some], label[some], proposal[some]
    scores = probability[proposal, label]
    kept = batched_nms(boxes, scores, label, threshold=threshold)[:most]
    return Found(boxes[kept], scores[kept], label[kept], proposal[kept])
