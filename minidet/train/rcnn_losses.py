"""The five losses of Mask R-CNN and its keypoints, each a function of logits and of targets that are chosen already.

Ren et al. 2015, equation 1 (objectness and differences of anchors); Girshick 2015, equations 1 to 3 (classes and
differences of proposals); He et al., "Mask R-CNN" (2017), section 3 (masks: binary, of the truth's own class alone) and
section 5 (keypoints: one place of a heatmap).  The differences are those of ``minidet.boxes.encoding``.

How a sum becomes a loss, torchvision's rule: everything of the RPN is divided by the number of anchors sampled,
everything of the box head by the number of proposals sampled (so that few positives weigh little); masks by their
pixels, keypoints by those that are labelled and inside.  Of nothing, a loss is 0, with gradients of 0.  ``total`` is a
number to divide by instead (detectron2: 256 or 512 for each image, even where fewer are found).
"""

from __future__ import annotations

import numpy as np
from minidet_kernels.arrays import Array, namespace

from .. import functions as F
from ..autograd import Tensor

#: Where the smooth L1 loss becomes straight (torchvision; Girshick 2015 has 1, detectron2 0).
BETA = 1 / 9


def _nothing(x: Tensor) -> Tensor:
    """0 that depends on x, so that every parameter has a gradient; of none of its elements, which may be infinite."""
    return F.sum(F.getitem(x, index=slice(0, 0)))


def _as(x: Tensor, array: np.ndarray) -> Tensor:
    return Tensor(namespace(x.data).asarray(array, dtype=x.dtype))


def _differences(picked: Tensor, encoded: np.ndarray, total: float, beta: float) -> Tensor:
    """Smooth L1 of (P, 4) and (P, 4), summed, as a share of ``total``."""
    if not len(encoded):
        return _nothing(picked)
    return F.mul(F.smooth_l1(picked, _as(picked, encoded), beta=beta, reduction="sum"), 1 / total)


def rpn_loss(
    objectness: Tensor,
    deltas: Tensor,
    *,
    positives: np.ndarray,
    negatives: np.ndarray,
    encoded: np.ndarray,
    beta: float = BETA,
    total: float | None = None,
) -> dict[str, Tensor]:
    """``objectness`` and ``rpn_box``, scalars, of logits (M,) and differences (M, 4), all anchors of the batch.

    ``positives`` (P,) and ``negatives`` (Q,) are indices into them; ``encoded`` (P, 4) what the positives should be.
    """
    xp = namespace(objectness.data)
    sampled = np.concatenate([positives, negatives])
    total = float(total or max(len(sampled), 1))
    kept = F.getitem(objectness, index=xp.asarray(sampled))
    wanted = _as(objectness, np.arange(len(sampled)) < len(positives))
    return {
        "objectness": F.mul(F.bce_with_logits(kept, wanted, reduction="sum"), 1 / total),
        "rpn_box": _differences(F.getitem(deltas, index=xp.asarray(positives)), encoded, total, beta),
    }


def head_loss(
    logits: Tensor,
    deltas: Tensor,
    *,
    labels: np.ndarray,
    encoded: np.ndarray,
    beta: float = BETA,
    total: float | None = None,
) -> dict[str, Tensor]:
    """``classes`` and ``box``, scalars, of logits (K, 1 + C) and differences (K, 4 (1 + C)), all sampled proposals.

    ``labels`` (K,) int64 are 0 for nothing and c + 1 for class c; ``encoded`` (P, 4) what those with a label should be,
    in their order: of the differences of a proposal those of its own class count alone.
    """
    k, classes = logits.shape
    if deltas.shape != (k, 4 * classes):
        raise ValueError(f"head_loss: logits {logits.shape} and differences {deltas.shape}; (K, C) and (K, 4 C) fit")
    if not k:
        return {"classes": _nothing(logits), "box": _nothing(deltas)}
    xp, total = namespace(logits.data), float(total or k)
    at = np.flatnonzero(labels > 0)
    own = F.getitem(F.reshape(deltas, shape=(k, classes, 4)), index=(xp.asarray(at), xp.asarray(labels[at])))
    wrong = F.cross_entropy(logits, xp.asarray(labels), reduction="sum")
    return {"classes": F.mul(wrong, 1 / total), "box": _differences(own, encoded, total, beta)}


def mask_loss(logits: Tensor, *, labels: np.ndarray, targets: Array) -> Tensor:
    """The mean binary cross entropy of logits (P, 1 + C, m, m), of each region's own class, with ``targets`` (P, m, m).

    ``labels`` (P,) from 1, as in ``head_loss``.  Sigmoids, not a softmax: classes do not compete for pixels.
    """
    if not len(labels):
        return _nothing(logits)
    xp = namespace(logits.data)
    own = F.getitem(logits, index=(xp.arange(len(labels)), xp.asarray(labels)))
    return F.bce_with_logits(own, _as(logits, targets))


def keypoint_loss(logits: Tensor, *, places: np.ndarray, counted: np.ndarray) -> Tensor:
    """The mean cross entropy over the s * s places of a heatmap, of logits (P, K, s, s), for the keypoints counted.

    ``places`` (P, K) int64 of the right place, row by row; ``counted`` (P, K) bool.
    """
    p, k, rows, columns = logits.shape
    if not counted.any():
        return _nothing(logits)
    xp, at = namespace(logits.data), np.flatnonzero(counted)
    flat = F.getitem(F.reshape(logits, shape=(p * k, rows * columns)), index=xp.asarray(at))
    return F.cross_entropy(flat, xp.asarray(places.reshape(-1)[at]))
