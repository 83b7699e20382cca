"""Launchers of the overlap room's CUDA kernels."""

from __future__ import annotations

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4, too_large
from .check import EMPTY

TILE, ROWS = 128, 16
IOU = Source(__file__, "iou_matrix.cu", TILE=TILE, ROWS=ROWS)


def takes_iou(a: Array, b: Array, *, out: Array | None = None, **_: str) -> str | None:
    """Why the kernel refuses these boxes, or ``None``."""
    if a.dtype.char != "f":
        return f"takes float32 boxes, not {a.dtype}"
    if out is not None and not out.flags.c_contiguous:
        return "takes a contiguous out, not a view"
    return too_large(a=a.size, b=b.size)


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """`minidet_kernels.iou_matrix` by ``iou_matrix.cu``: bitwise the definition."""
    m, n = len(a), len(b)
    made = namespace(a).empty((m, n), a.dtype) if out is None else out
    args = (dense(a, 16), dense(b, 16), made, i4(m), i4(n), f4(width == "inclusive"), f4(EMPTY[empty]))
    IOU("iou_matrix", (cover(n, TILE), cover(m, ROWS)), TILE, args)
    return made
