"""The losses on the overlap of boxes, with their gradients written out."""

from __future__ import annotations

import math
from typing import Any

from minidet_kernels.arrays import Array, is_array, namespace

from ..autograd import differentiable
from .broadcasting import Result
from .losses import _reduce

KINDS = ("iou", "giou", "diou", "ciou")
ALPHAS = ("detached", "attached")


def _check(pred: Array, target: Array, kind: str, alpha: str) -> None:
    shapes = [getattr(x, "shape", ()) for x in (pred, target)]
    if not (is_array(pred) and is_array(target)) or shapes[0] != shapes[1] or shapes[0][-1:] != (4,):
        raise ValueError(f"iou_loss: boxes of one shape (..., 4) are expected, not {shapes[0]} and {shapes[1]}")
    if kind not in KINDS:
        raise ValueError(f"iou_loss: kind is one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    if alpha not in ALPHAS:
        raise ValueError(f"iou_loss: alpha is one of {', '.join(map(repr, ALPHAS))}, not {alpha!r}")


@differentiable
def iou_loss(
    pred: Array, target: Array, *, kind: str = "iou", alpha: str = "detached", reduction: str = "mean"
) -> Result:
    """One minus the IoU, GIoU, DIoU or CIoU of boxes ``x1 y1 x2 y2`` (..., 4) with those in the same place.

    ``kind="giou"`` is Rezatofighi et al. 2019; ``"diou"`` and ``"ciou"`` are Zheng et al. 2020.  CIoU's weight
    ``v / (1 - iou + v)`` is a constant to the gradient (``alpha="detached"``, as in the paper's code and torchvision),
    or differentiated like the rest (``"attached"``).  No epsilon: a quotient 0/0 counts as 0 and its gradient as 0, so
    two equal points have the loss 1, and value and gradient are finite wherever areas do not overflow.

    Corners: a side below zero counts as zero, with gradient 0 up to and including zero; where an edge of both boxes
    coincides, each has half of the gradient of the larger (or smaller) one.  Raises ``ValueError`` for shapes that
    differ or do not end in 4, and for unknown options.
    """
    _check(pred, target, kind, alpha)
    xp = namespace(pred)
    p, t = (tuple(xp.moveaxis(x, -1, 0)) for x in (pred, target))

    def share(part: Any, whole: Any) -> Any:
        return xp.where(whole == 0, 0, part / xp.where(whole == 0, 1, whole))

    def side(lo: Array, hi: Array) -> Array:
        return xp.maximum(hi - lo, 0)

    pw, ph, tw, th = side(p[0], p[2]), side(p[1], p[3]), side(t[0], t[2]), side(t[1], t[3])
    near = [(xp.maximum(p[k], t[k]), xp.minimum(p[k + 2], t[k + 2])) for k in (0, 1)]  # the intersection
    far = [(xp.minimum(p[k], t[k]), xp.maximum(p[k + 2], t[k + 2])) for k in (0, 1)]  # the box around both
    (iw, ih), (cw, ch) = ([side(*ends) for ends in both] for both in (near, far))
    inter = iw * ih
    union = pw * ph + tw * th - inter
    value = iou = share(inter, union)
    by_iou: Any = 1.0  # derivatives of the value, by name
    by_union = by_hull = by_turn = by_distance = by_diagonal = 0.0
    dx, dy = (((p[k] + p[k + 2]) - (t[k] + t[k + 2])) / 2 for k in (0, 1))
    if kind == "giou":
        hull = cw * ch
        value = iou - share(hull - union, hull)
        by_union, by_hull = share(1.0, hull), -share(share(union, hull), hull)
    if kind in ("diou", "ciou"):
        distance, diagonal = dx * dx + dy * dy, cw * cw + ch * ch
        value = iou - share(distance, diagonal)
        by_distance, by_diagonal = -share(1.0, diagonal), share(share(distance, diagonal), diagonal)
    if kind == "ciou":
        turn = xp.arctan2(tw, th) - xp.arctan2(pw, ph)
        v = 4 / math.pi**2 * turn * turn
        weight = share(v, 1 - iou + v)
        value = value - weight * v
        by_v = -weight * (2 - weight) if alpha == "attached" else -weight
        by_iou = 1 - weight * weight if alpha == "attached" else 1.0
        by_turn = by_v * (8 / math.pi**2) * turn
    by_union = by_union - by_iou * share(iou, union)
    by_inter = by_iou * share(1.0, union) - by_union
    loss, back = _reduce((1 - value).astype(pred.dtype, copy=False), reduction)

    def grad(own: Any, other: Any, w: Array, h: Array, sign: float, g: Array) -> Array:
        """For the boxes ``own``; ``sign`` is that of their corners in the distance, and minus theirs in the turn."""
        around = share(1.0, w * w + h * h)
        by_side = (by_union * h - sign * by_turn * h * around, by_union * w + sign * by_turn * w * around)
        out = [xp.zeros_like(own[0])] * 4
        for k, (length, d) in enumerate(((w, dx), (h, dy))):
            by_near = by_inter * (ih, iw)[k] * ((iw, ih)[k] > 0)
            by_far = (by_hull * (ch, cw)[k] + by_diagonal * 2 * (cw, ch)[k]) * ((cw, ch)[k] > 0)
            lo, hi = own[k] - other[k], own[k + 2] - other[k + 2]
            stays = by_side[k] * (length > 0)
            out[k] = sign * by_distance * d - stays - by_near * _step(lo) - by_far * _step(-lo)
            out[k + 2] = sign * by_distance * d + stays + by_near * _step(-hi) + by_far * _step(hi)
        return -back(g)[..., None] * xp.stack(out, axis=-1)

    return loss, (lambda g: grad(p, t, pw, ph, 1.0, g), lambda g: grad(t, p, tw, th, -1.0, g))


def _step(x: Array) -> Array:
    """1 above zero, a half at zero, 0 below."""
    xp = namespace(x)
    return xp.heaviside(x, x.dtype.type(0.5))
