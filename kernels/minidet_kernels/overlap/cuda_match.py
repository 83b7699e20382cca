"""Launcher of ``match.cu``: the best partners, without the matrix of overlaps."""

from __future__ import annotations

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, f4, i4, too_large

THREADS, TRUTHS = 128, 128
MATCH = Source(__file__, "match.cu", THREADS=THREADS, TRUTHS=TRUTHS)


def takes(anchors: Array, truths: Array, **_: str) -> str | None:
    """Why the kernel refuses these boxes, or ``None``."""
    if anchors.dtype.char != "f":
        return f"takes float32 boxes, not {anchors.dtype}"
    return too_large(anchors=anchors.size, truths=truths.size)


def match(anchors: Array, truths: Array, *, width: str = "exclusive") -> tuple[Array, Array, Array, Array]:
    """`minidet_kernels.match`: bitwise the definition, and the same in every run."""
    xp, m, n = namespace(anchors), len(anchors), len(truths)
    truth, iou, anchor, best = (xp.empty(size, of) for size in (m, n) for of in (xp.int64, anchors.dtype))
    keys = xp.zeros(n, xp.uint64)
    args = (dense(anchors, 16), dense(truths, 16), truth, iou, keys, i4(m), i4(n), f4(width == "inclusive"))
    MATCH("match_anchors", cover(m, THREADS), THREADS, args)
    MATCH("match_unpack", cover(n, THREADS), THREADS, (keys, anchor, best, i4(m), i4(n)))
    return truth, iou, anchor, best
