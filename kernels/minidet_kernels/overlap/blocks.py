"""The definition, a block of rows at a time: the temporaries stay small enough for the cache."""

from __future__ import annotations

from ..arrays import Array, namespace
from . import iou_matrix as op

#: Elements of one temporary.
BLOCK = 1 << 16


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``, with temporaries of at most ``BLOCK`` elements (or one row)."""
    xp = namespace(a, b)
    if out is None:
        out = xp.empty((len(a), len(b)), a.dtype)
    rows = max(1, BLOCK // max(1, len(b)))
    for i in range(0, len(a), rows):
        op.definition(a[i : i + rows], b, out=out[i : i + rows], width=width, empty=empty)
    return out
