"""The definition's operations in its order, in place and a block of rows at a time, so that they stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from .check import EMPTY

#: Elements of one temporary.
BLOCK = 1 << 15


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``, with three temporaries of at most ``BLOCK`` elements (or one row) each."""
    xp, pixel, nothing = namespace(a, b), a.dtype.type(width == "inclusive"), a.dtype.type(EMPTY[empty])
    if out is None:
        out = xp.empty((len(a), len(b)), a.dtype)
    rows = max(1, BLOCK // max(1, len(b)))
    first, second, third = (xp.empty((min(rows, len(a)), len(b)), a.dtype) for _ in range(3))
    left, top, right, bottom = xp.ascontiguousarray(b.T)  # (N,) each

    def side(lo: Any, hi: Any, into: Array) -> Array:
        xp.subtract(hi, lo, out=into)
        into += pixel
        return xp.maximum(into, 0, out=into)

    with np.errstate(all="ignore"):
        area_b = side(left, right, xp.empty_like(left)) * side(top, bottom, xp.empty_like(left))
        for i in range(0, len(a), rows):
            x1, y1, x2, y2 = a[i : i + rows].T[:, :, None]  # (rows, 1) each
            w, h, t = (block[: len(x1)] for block in (first, second, third))
            side(xp.maximum(x1, left, out=t), xp.minimum(x2, right, out=w), w)
            side(xp.maximum(y1, top, out=t), xp.minimum(y2, bottom, out=h), h)
            inter = xp.multiply(w, h, out=w)
            area = side(x1, x2, xp.empty_like(x1)) * side(y1, y2, xp.empty_like(x1))
            union = xp.add(area, area_b, out=h)
            union -= inter
            xp.divide(inter, union, out=t)
            out[i : i + rows] = xp.where(union == 0, nothing, t)
    return out
