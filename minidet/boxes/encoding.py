"""Boxes as differences from priors, and back: what SSD and Faster R-CNN learn.

With a box (cx, cy, w, h), a prior (px, py, pw, ph) in the same units, and variances (v, v'):

    t = ( (cx - px) / pw / v,  (cy - py) / ph / v,  log(w / pw) / v',  log(h / ph) / v' )

Girshick et al., "Rich feature hierarchies" (2014), appendix C; the variances, 0.1 and 0.2, are of SSD's program, and
are the same as torchvision's weights 10, 10, 5, 5.  With (1, 1) nothing is scaled.

``largest``: decoding takes the exponential of at most this (torchvision: log(1000 / 16), 62.5 priors wide), so that one
wild logit gives no infinite box; SSD's own program, ``None``, does not limit it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minidet_kernels.arrays import Array, namespace

#: torchvision's and Detectron's limit of what is exponentiated.
LARGEST = math.log(1000 / 16)
VARIANCES = (0.1, 0.2)


def _check(where: str, a: Array, b: Array, variances: Sequence[float]) -> None:
    if a.shape[-1:] != (4,) or b.shape[-1:] != (4,) or a.shape[-2:] != b.shape[-2:]:
        raise ValueError(f"{where}: shapes {a.shape} and {b.shape}; one prior (cx, cy, w, h) for each box is expected")
    if len(variances) != 2 or not all(v > 0 for v in variances):
        raise ValueError(f"{where}: two positive variances, of centres and of sides, are expected, not {variances}")


def encode(boxes: Array, priors: Array, *, variances: Sequence[float] = VARIANCES) -> Array:
    """The differences (..., P, 4) of ``boxes`` (..., P, 4) from ``priors`` (P, 4), both centre x, y, width, height.

    In the boxes' dtype.  A box without extent has the logarithm -inf.  Raises ``ValueError`` for shapes or variances
    that do not fit.
    """
    _check("encode", boxes, priors, variances)
    xp = namespace(boxes)
    centre, side = boxes[..., :2] - priors[:, :2], boxes[..., 2:] / priors[:, 2:]
    return xp.concatenate([centre / priors[:, 2:] / variances[0], xp.log(side) / variances[1]], axis=-1)


def decode(
    encoded: Array, priors: Array, *, variances: Sequence[float] = VARIANCES, largest: float | None = None
) -> Array:
    """The boxes (..., P, 4) centre x, y, width, height that ``encode`` makes ``encoded`` of.

    In the dtype of ``encoded``.  Raises ``ValueError`` for shapes or variances that do not fit.
    """
    _check("decode", encoded, priors, variances)
    xp = namespace(encoded)
    sides = encoded[..., 2:] * variances[1]
    if largest is not None:
        sides = xp.minimum(sides, largest)
    centre = encoded[..., :2] * variances[0] * priors[:, 2:] + priors[:, :2]
    return xp.concatenate([centre, xp.exp(sides) * priors[:, 2:]], axis=-1)
