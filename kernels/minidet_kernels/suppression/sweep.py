"""Each kept box sweeps the rest once: as many array operations as boxes are kept, memory linear in their number."""

from __future__ import annotations

from ..arrays import Array, namespace
from ..overlap import iou_matrix
from .check import COMPARE


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.nms``."""
    xp = namespace(boxes)
    limit, drops = boxes.dtype.type(threshold), getattr(xp, COMPARE[compare].__name__)
    # Two keys, since CuPy's argsort has no stable kind: the lower index first among equal scores.
    left = xp.lexsort(xp.stack([xp.arange(len(scores), dtype=xp.float64), -scores]))
    kept = []
    while len(left):
        best, left = left[:1], left[1:]
        kept.append(best)
        overlap = iou_matrix(boxes[best], boxes[left], width=width, empty=empty)[0]
        left = left[~drops(overlap, limit)]
    return xp.concatenate([xp.zeros(0, xp.int64), *kept]).astype(xp.int64)


def batched_nms(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """As ``minidet_kernels.batched_nms``."""
    xp = namespace(boxes)
    kept = [xp.zeros(0, xp.int64)]
    for c in xp.unique(classes):
        (members,) = xp.nonzero(classes == c)
        options = {"compare": compare, "width": width, "empty": empty}
        kept.append(members[nms(boxes[members], scores[members], threshold=threshold, **options)])
    every = xp.sort(xp.concatenate(kept))
    order = xp.lexsort(xp.stack([xp.arange(len(every), dtype=xp.float64), -scores[every]]))
    return every[order]
