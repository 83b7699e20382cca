"""Launchers of the suppression room's CUDA kernels: one class, by a mask and its reduction."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, f4, i4
from ..overlap.check import EMPTY
from .cuda_order import in_order

REDUCERS, DROPPERS = 1024, 256
MASK = Source(__file__, "nms_mask.cu")
DIAGONAL = Source(__file__, "nms_droppers.cu", THREADS=DROPPERS)
REDUCE = Source(__file__, "nms_reduce.cu", THREADS=REDUCERS)

#: ``rule.cuh``'s Rule.
RULE = np.dtype([("threshold", "f4"), ("pixel", "f4"), ("empty", "f4"), ("inclusive", "?"), ("beta", "f8")], align=True)
#: So many boxes have a mask of 2 GiB.
MOST = 1 << 17


def rule_of(threshold: float, compare: str, width: str, empty: str, beta: float = 0.0) -> Any:
    """The options as the kernels take them."""
    return np.array((threshold, width == "inclusive", EMPTY[empty], compare == "inclusive", beta), RULE)[()]


def takes_floats(boxes: Array, scores: Array) -> str | None:
    """Why boxes and scores of these dtypes are refused, or ``None``."""
    if boxes.dtype.char != "f" or scores.dtype.char != "f":
        return f"takes float32 boxes and scores, not {boxes.dtype} and {scores.dtype}"
    return None


def takes_nms(boxes: Array, scores: Array, **_: Any) -> str | None:
    """Why the mask refuses these boxes, or ``None``."""
    if len(boxes) > MOST:
        return f"takes up to {MOST} boxes, whose mask has 2 GiB, not {len(boxes)}"
    return takes_floats(boxes, scores)


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.nms``; waits for the device once, to know how many are kept."""
    xp, n = namespace(boxes), len(boxes)
    if not n:
        return xp.zeros(0, xp.int64)
    words, found = cover(n, 64), in_order(boxes, scores)
    mask, droppers = xp.empty((n, words), xp.uint64), xp.empty(n, xp.uint64)
    rule = f4(threshold), i4(compare == "inclusive"), f4(width == "inclusive"), f4(EMPTY[empty])
    MASK("nms_mask", (words, words), 64, (found.boxes, mask, i4(n), *rule))
    args = (found.boxes, droppers, i4(n), rule_of(threshold, compare, width, empty))
    DIAGONAL("nms_droppers", words, DROPPERS, args)
    kept, count = xp.empty(n, xp.int64), xp.empty(1, xp.int32)
    numbers = i4(n), i4(words), i4(n), i4(found.index_bits)
    REDUCE("nms_reduce", 1, REDUCERS, (mask, droppers, found.keys, kept, count, *numbers), shared=8 * words)
    return kept[: int(count[0])]
