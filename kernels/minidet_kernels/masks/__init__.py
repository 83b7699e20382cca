"""Masks as runs: encoded, compared and merged without being decoded.

A mask of h x w pixels is read column by column, top to bottom (COCO's order), and written as the lengths of its runs of
equal pixels, zeros first: ``[[0, 1], [0, 1]]`` is 2 2, and a mask that begins with a one begins with a run of 0.  With
I the number of pixels that two masks share, and A, B those of each alone,

    iou = I / (A + B - I)        of a crowd:  I / A

``Runs`` (in ``runs``) are N masks of one size: ``counts`` (R,) the runs of all, one mask after the other, ``splits``
(N + 1,) where each begins and ends in ``counts``, both int64, and ``size``, (h, w).  ``encode`` makes them from dense
masks, ``from_coco`` from COCO's objects and ``from_polygons`` from outlines; ``mask_iou`` takes their arrays.

Conventions, by name:

* ``empty``: the value where the denominator is zero, of two masks without a pixel: 0, NaN or 1.
* ``crowd``: of which masks of ``b`` the denominator is the area of the other mask alone, as COCO counts it.
* A run of no pixels may stand anywhere.  ``encode`` and ``merge`` write one only at the start of a mask.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..arrays import Array
from ..overlap.check import EMPTY
from ..table import Impl, op
from . import check
from .coco import from_coco, to_coco
from .polygons import from_polygons
from .runs import Runs, areas, bounds, decode, encode, merge

__all__ = [
    "Runs",
    "areas",
    "bounds",
    "decode",
    "encode",
    "from_coco",
    "from_polygons",
    "mask_iou",
    "merge",
    "overlaps",
    "to_coco",
]

HERE = __name__


@op(
    Impl("numba", f"{HERE}.numba_cpu:mask_iou", needs=("numba",)),
    Impl("columns", f"{HERE}.columns:mask_iou", needs=("numba",), limits=check.small),
    check=check.mask_iou,
)
def mask_iou(
    a: Array,
    a_splits: Array,
    b: Array,
    b_splits: Array,
    crowd: Array | None = None,
    *,
    size: tuple[int, int],
    empty: str = "zero",
) -> Array:
    """IoU of every one of M masks with every one of N masks: (M, N), float64.

    ``a`` (R,) are the runs of the first masks, ``a_splits`` (M + 1,) where each begins and ends; ``b`` and ``b_splits``
    (N + 1,) likewise; all integers.  ``size`` is (h, w) of all masks.  ``crowd`` (N,), bool, and ``empty`` are
    described at the head of this room.  Numbers of pixels are exact, so each value is the quotient rounded once.

    Raises ``ValueError`` for runs that are negative or do not sum to h x w, splits that do not lead from 0 to R, or an
    unknown option; ``TypeError`` for another dtype.
    """

    def dense(counts: Array, splits: Array) -> Array:
        masks = [np.repeat(np.arange(end - start) % 2, counts[start:end]) for start, end in pairwise(splits)]
        return np.reshape(masks, (len(masks), size[0] * size[1])).astype(np.float64)

    x, y = dense(a, a_splits), dense(b, b_splits)  # (M, hw), (N, hw)
    inter, area = x @ y.T, x.sum(axis=1)[:, None]
    union = area + y.sum(axis=1) - inter
    if crowd is not None:
        union = np.where(crowd, area, union)
    with np.errstate(invalid="ignore"):
        return np.where(union == 0, EMPTY[empty], inter / union)


def overlaps(a: Runs, b: Runs, crowd: Array | None = None, *, empty: str = "zero") -> Array:
    """``mask_iou`` of ``Runs``: (M, N).  Raises ``ValueError`` where the sizes of ``a`` and ``b`` are not the same."""
    if a.size != b.size:
        raise ValueError(f"overlaps: a has masks of {a.size} and b of {b.size} (height, width); sizes must be the same")
    return mask_iou(a.counts, a.splits, b.counts, b.splits, crowd, size=a.size, empty=empty)
