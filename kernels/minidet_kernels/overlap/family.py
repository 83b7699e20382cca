"""The formulas of GIoU, DIoU and CIoU on broadcast corners: what the definitions of the family share.

In the boxes' dtype, one rounding per operation in the order written; the angle of a box alone is computed in float64
and rounded once, because libraries differ in the last digit of an arc tangent.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from .check import EMPTY

KINDS = ("iou", "giou", "diou", "ciou")


def angle(w: Array, h: Array) -> Array:
    """The angle of the diagonal, ``arctan(w / h)``: 0 for a point."""
    xp = namespace(w)
    return xp.arctan2(w.astype(np.float64), h.astype(np.float64)).astype(w.dtype)


def overlap(kind: str, a: Any, b: Any, width: str, empty: str) -> Array:
    """The overlap named ``kind`` of boxes given as four arrays of corners each, which broadcast."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a, b
    xp, dtype = namespace(ax1), ax1.dtype.type
    pixel, nothing = dtype(width == "inclusive"), dtype(EMPTY[empty])

    def side(lo: Array, hi: Array) -> Array:
        return xp.maximum(hi - lo + pixel, 0)

    def share(part: Array, whole: Array) -> Array:
        return xp.where(whole == 0, dtype(0), part / whole)

    aw, ah, bw, bh = side(ax1, ax2), side(ay1, ay2), side(bx1, bx2), side(by1, by2)
    inter = side(xp.maximum(ax1, bx1), xp.minimum(ax2, bx2)) * side(xp.maximum(ay1, by1), xp.minimum(ay2, by2))
    union = aw * ah + bw * bh - inter
    iou = xp.where(union == 0, nothing, inter / union)
    if kind == "iou":
        return iou
    cw, ch = side(xp.minimum(ax1, bx1), xp.maximum(ax2, bx2)), side(xp.minimum(ay1, by1), xp.maximum(ay2, by2))
    if kind == "giou":
        return iou - share(cw * ch - union, cw * ch)
    dx, dy = (ax1 + ax2) - (bx1 + bx2), (ay1 + ay2) - (by1 + by2)  # twice the distance
    diou = iou - share((dx * dx + dy * dy) * dtype(0.25), cw * cw + ch * ch)
    if kind == "diou":
        return diou
    turn = angle(aw, ah) - angle(bw, bh)
    v = turn * turn * dtype(4 / math.pi**2)
    return diou - share(v * v, (dtype(1) - iou) + v)
