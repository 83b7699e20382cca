"""Greedy non-maximum suppression: the best box stays and drops those that overlap it too much; and so on.

Conventions, by name:

* ``compare``: a box is dropped when its IoU with a kept box is ``>`` the threshold (``"strict"``) or ``>=`` it
  (``"inclusive"``, the py-faster-rcnn lineage).  The threshold is first rounded to the boxes' dtype.
* Equal scores: the lower index goes first.  The result lists the best score first.
* A dropped box drops nothing itself.
* ``width``, ``empty`` and inverted boxes: as in the room ``overlap``.  With ``empty="zero"`` two coincident empty boxes
  are both kept.
* NaN coordinates and scores are refused.  Infinite ones are taken: an IoU of NaN (two infinite boxes) drops nothing.
* ``batched_nms`` treats each class by itself.  It never shifts classes apart by adding an offset to the coordinates,
  which rounds, breaks for negative coordinates, and makes one class's answer depend on another's boxes.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..overlap import iou_matrix
from ..table import Impl, op
from . import check, limits
from .check import COMPARE

HERE = __name__


@op(
    Impl("sweep", f"{HERE}.sweep:nms", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:nms", needs=("numba",)),
    Impl("grid", f"{HERE}.grid:nms", needs=("numba",), limits=limits.of_the_grid),
    check=check.nms,
)
def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """Indices (int64) of the kept boxes, best score first.

    ``boxes`` (n, 4) are ``x1 y1 x2 y2``, ``scores`` (n,); each float32 or float64.  ``threshold`` is an IoU in 0..1.
    The other parameters are described at the head of this room.

    Raises ``ValueError`` for a wrong shape, a NaN, a threshold outside 0..1 or an unknown option, ``TypeError`` for
    another dtype.
    """
    limit, drops = boxes.dtype.type(threshold), COMPARE[compare]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        overlap = iou_matrix.definition(boxes[kept], boxes[i : i + 1], width=width, empty=empty)
        if not drops(overlap, limit).any():
            kept.append(i)
    return np.array(kept, np.int64)


@op(
    Impl("sweep", f"{HERE}.sweep:batched_nms", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:batched_nms", needs=("numba",)),
    Impl("grid", f"{HERE}.grid:batched_nms", needs=("numba",), limits=limits.of_the_grid),
    check=check.batched_nms,
)
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
    """``nms`` within each class; the indices of all classes together, best score first, ties by lower index.

    ``classes`` (n,) are integers, any of them; the rest, and the errors, are those of ``nms``.
    """
    kept = [np.zeros(0, np.int64)]
    for c in np.unique(classes):
        (members,) = np.nonzero(classes == c)
        options = {"compare": compare, "width": width, "empty": empty}
        kept.append(members[nms.definition(boxes[members], scores[members], threshold=threshold, **options)])
    every = np.concatenate(kept)
    return every[np.lexsort((every, -scores[every]))]
