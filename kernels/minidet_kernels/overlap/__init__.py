"""Intersection over union of boxes ``x1 y1 x2 y2``.

    iou = I / (A + B - I)        A, B: areas of the two boxes;  I: area of their intersection

and GIoU, DIoU and CIoU, whose formulas are in ``family``; matrices, and pairs row by row; IoU with crowds, as COCO
counts it; and the best partners of each box, ``match``.

Conventions, by name:

* ``width``: the side of a box is ``x2 - x1`` (``"exclusive"``) or ``x2 - x1 + 1`` (``"inclusive"``, the VOC and
  py-faster-rcnn pixel), in the areas and in the intersection alike.
* ``empty``: the value where ``A + B - I`` is zero: 0, NaN or 1.
* Inverted boxes (``x2 < x1``): a negative side counts as zero, so an inverted box is an empty one.  Corners are never
  swapped.
* A NaN coordinate gives NaN.  An infinite box has IoU 0 with a finite one and NaN with an infinite one.  Areas overflow
  and underflow: in float32 a box of side 2e19 counts as infinite, and one of side 1e-23 as empty.

* What GIoU, DIoU and CIoU take away is 0 where it is 0/0: a box around both that has no extent.

Boxes are compared in their own dtype, one rounding per operation in the order written, so that every implementation
is bitwise equal to the definition: a threshold then cuts at the same place everywhere.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, namespace
from ..table import Impl, op
from . import check
from .check import EMPTY
from .family import overlap

HERE = __name__


@op(
    Impl(
        "numba_cuda",
        f"{HERE}.numba_cuda:iou_matrix",
        arrays={"cupy"},
        needs=("cupy", "numba.cuda"),
        limits="minidet_kernels.cuda.twins:takes_iou",
        doubts="minidet_kernels.cuda.twins:doubt",
    ),
    Impl("blocks", f"{HERE}.blocks:iou_matrix", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:iou_matrix", needs=("numba",)),
    Impl("streams", f"{HERE}.streams:iou_matrix", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:iou_matrix", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_iou"),
    Impl("wide", f"{HERE}.cuda:iou_matrix_wide", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_matrix"),
    check=check.iou_matrix,
)
def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """IoU of every box of ``a`` (M, 4) with every box of ``b`` (N, 4): (M, N) in the boxes' dtype.

    Boxes are ``x1 y1 x2 y2``, float32 or float64, both alike.  ``out``, if given, is filled and returned.
    ``width`` and ``empty`` are described at the head of this room.

    Raises ``ValueError`` for a wrong shape or an unknown option, ``TypeError`` for another dtype.
    """
    xp, pixel, nothing = namespace(a), a.dtype.type(width == "inclusive"), a.dtype.type(EMPTY[empty])

    def side(lo: Array, hi: Array) -> Array:
        return xp.maximum(hi - lo + pixel, 0)

    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.T[:, :, None], b.T[:, None, :]  # (4, M, 1), (4, 1, N)
    with np.errstate(all="ignore"):
        inter = side(xp.maximum(ax1, bx1), xp.minimum(ax2, bx2)) * side(xp.maximum(ay1, by1), xp.minimum(ay2, by2))
        union = side(ax1, ax2) * side(ay1, ay2) + side(bx1, bx2) * side(by1, by2) - inter
        iou = xp.where(union == 0, nothing, inter / union)
    if out is None:
        return iou
    out[...] = iou
    return out


@op(
    Impl("numba", f"{HERE}.crowd_numba:crowd_iou_matrix", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:crowd_iou_matrix", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_matrix"),
    check=check.crowd_iou_matrix,
)
def crowd_iou_matrix(a: Array, b: Array, crowd: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """IoU of every detection of ``a`` (M, 4) with every truth of ``b`` (N, 4), of which some are crowds: (M, N).

    ``crowd`` (N,), bool, says which.  A crowd is one box around many objects, so a detection inside it is right: there
    the union is the area of the detection alone, ``I / A`` (COCO's evaluation, ``iscrowd``).  All else is as in
    ``iou_matrix``, and so is a matrix without crowds.

    Raises as ``iou_matrix``, and for ``crowd`` of another shape (``ValueError``) or dtype (``TypeError``).
    """
    xp, pixel, nothing = namespace(a), a.dtype.type(width == "inclusive"), a.dtype.type(EMPTY[empty])

    def side(lo: Array, hi: Array) -> Array:
        return xp.maximum(hi - lo + pixel, 0)

    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.T[:, :, None], b.T[:, None, :]  # (4, M, 1), (4, 1, N)
    with np.errstate(all="ignore"):
        inter = side(xp.maximum(ax1, bx1), xp.minimum(ax2, bx2)) * side(xp.maximum(ay1, by1), xp.minimum(ay2, by2))
        area = side(ax1, ax2) * side(ay1, ay2)
        union = xp.where(crowd, area, area + side(bx1, bx2) * side(by1, by2) - inter)
        return xp.where((union == 0) & (inter == 0), nothing, inter / union)  # NaN of a crowd is in the intersection


@op(
    Impl("numba", f"{HERE}.matching:match", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda_match:match", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda_match:takes"),
    check=check.match,
)
def match(anchors: Array, truths: Array, *, width: str = "exclusive") -> tuple[Array, Array, Array, Array]:
    """The best truth of every anchor, and the best anchor of every truth, by IoU; without the matrix.

    Of ``anchors`` (M, 4) and ``truths`` (N, 4), returns ``truth`` (M,) and ``iou`` (M,), the truth that overlaps each
    anchor most and by how much, then ``anchor`` (N,) and ``best`` (N,), the same for each truth.  Indices are int64, of
    equal overlaps the lowest; so index 0 with IoU 0 where nothing overlaps, and -1 where there is nothing to choose
    from.  An IoU that is NaN or 0/0 counts as 0.

    Raises ``ValueError`` for a wrong shape, a NaN or an unknown option, ``TypeError`` for another dtype.
    """
    m = iou_matrix.definition(anchors, truths, width=width)
    m[np.isnan(m)] = 0
    truth, anchor = (
        m.argmax(axis=axis) if m.shape[axis] else np.full(m.shape[1 - axis], -1, np.int64) for axis in (1, 0)
    )
    return truth, m.max(axis=1, initial=0), anchor, m.max(axis=0, initial=0)


@op(
    Impl("numba", f"{HERE}.family_numba:giou_matrix", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:giou_matrix", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_matrix"),
    check=check.matrix("giou_matrix"),
)
def giou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """GIoU of every box of ``a`` (M, 4) with every box of ``b`` (N, 4).

    ``iou - (hull - union) / hull``, with the area of the smallest box around both (Rezatofighi et al. 2019,
    algorithm 1). (M, N) in the boxes' dtype, boxes and options as in ``iou_matrix``. A box around both without
    extent takes nothing away.

    Raises as ``iou_matrix``.
    """
    with np.errstate(all="ignore"):
        return overlap("giou", a.T[:, :, None], b.T[:, None, :], width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:diou_matrix", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:diou_matrix", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_matrix"),
    check=check.matrix("diou_matrix"),
)
def diou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """DIoU of every box of ``a`` (M, 4) with every box of ``b`` (N, 4).

    ``iou - d^2 / c^2``, with the distance of the centres and the diagonal of the box around both (Zheng et al.
    2020, equation 7). (M, N) in the boxes' dtype, boxes and options as in ``iou_matrix``. A box around both
    without extent takes nothing away.

    Raises as ``iou_matrix``.
    """
    with np.errstate(all="ignore"):
        return overlap("diou", a.T[:, :, None], b.T[:, None, :], width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:ciou_matrix", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:ciou_matrix", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_matrix"),
    check=check.matrix("ciou_matrix"),
)
def ciou_matrix(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """CIoU of every box of ``a`` (M, 4) with every box of ``b`` (N, 4).

    ``diou - v^2 / (1 - iou + v)``, ``v = 4 / pi^2 (arctan(w / h) - arctan(w' / h'))^2`` (Zheng et al. 2020,
    equations 8 to 11). (M, N) in the boxes' dtype, boxes and options as in ``iou_matrix``. A box around both
    without extent takes nothing away.

    Raises as ``iou_matrix``.
    """
    with np.errstate(all="ignore"):
        return overlap("ciou", a.T[:, :, None], b.T[:, None, :], width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:iou_pairs", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:iou_pairs", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_pairs"),
    check=check.pairs("iou_pairs"),
)
def iou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """IoU of each box of ``a`` (M, 4) with the box of ``b`` (M, 4) in the same row: (M,), as in ``iou_matrix``.

    Raises as ``iou_matrix``, and ``ValueError`` where there are not as many of each.
    """
    with np.errstate(all="ignore"):
        return overlap("iou", a.T, b.T, width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:giou_pairs", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:giou_pairs", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_pairs"),
    check=check.pairs("giou_pairs"),
)
def giou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """GIoU of each box of ``a`` (M, 4) with the box of ``b`` (M, 4) in the same row: (M,), as in ``giou_matrix``.

    Raises as ``giou_matrix``, and ``ValueError`` where there are not as many of each.
    """
    with np.errstate(all="ignore"):
        return overlap("giou", a.T, b.T, width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:diou_pairs", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:diou_pairs", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_pairs"),
    check=check.pairs("diou_pairs"),
)
def diou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """DIoU of each box of ``a`` (M, 4) with the box of ``b`` (M, 4) in the same row: (M,), as in ``diou_matrix``.

    Raises as ``diou_matrix``, and ``ValueError`` where there are not as many of each.
    """
    with np.errstate(all="ignore"):
        return overlap("diou", a.T, b.T, width, empty)


@op(
    Impl("numba", f"{HERE}.family_numba:ciou_pairs", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda:ciou_pairs", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_pairs"),
    check=check.pairs("ciou_pairs"),
)
def ciou_pairs(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> Array:
    """CIoU of each box of ``a`` (M, 4) with the box of ``b`` (M, 4) in the same row: (M,), as in ``ciou_matrix``.

    Raises as ``ciou_matrix``, and ``ValueError`` where there are not as many of each.
    """
    with np.errstate(all="ignore"):
        return overlap("ciou", a.T, b.T, width, empty)
