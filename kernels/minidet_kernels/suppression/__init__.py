"""Suppression of boxes that overlap better ones: greedy (``nms``), by decaying scores (``soft_nms``), and by averages.

========================== ==========================================================================================
``nms``, ``batched_nms``   the best box stays and drops those that overlap it too much; and so on
``diou_nms``               the same, but boxes whose centres are apart count as overlapping less
``fast_nms``               every better box drops, dropped or not (YOLACT)
``soft_nms``               the best box stays and lowers the scores of those that overlap it; and so on
``matrix_nms``             every score is lowered once, by the better boxes' overlaps (SOLOv2); ``matrix_nms_of``
                           likewise by overlaps that are given, such as those of masks
``weighted_boxes_fusion``  boxes that overlap become their average, weighted by the scores; of several models
========================== ==========================================================================================

Conventions, by name:

* ``compare``: a box is dropped (lowered, fused) when its overlap is ``>`` the threshold (``"strict"``) or ``>=`` it
  (``"inclusive"``, the py-faster-rcnn lineage).  The threshold is first rounded to the boxes' dtype.
* Equal scores: the lower index goes first.  The result lists the best score first.
* A dropped box drops nothing itself, but in ``fast_nms``.
* ``width``, ``empty`` and inverted boxes: as in the room ``overlap``.  With ``empty="zero"`` two coincident empty boxes
  are both kept.
* NaN coordinates and scores are refused.  Infinite ones are taken: an IoU of NaN (two infinite boxes) drops nothing.
  Where scores decay or are averaged they must be finite and not below zero; where boxes are averaged, they finite.
* Each class is treated by itself.  Classes are never shifted apart by adding an offset to the coordinates, which
  rounds, breaks for negative coordinates, and makes one class's answer depend on another's boxes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..overlap import iou_matrix
from ..table import Impl, op
from . import check, limits
from .average import fused_score, per_model, weighted_mean
from .check import COMPARE
from .decay import weight
from .distance import penalty

HERE = __name__


@op(
    Impl(
        "numba_cuda",
        f"{HERE}.numba_cuda:nms",
        arrays={"cupy"},
        needs=("cupy", "numba.cuda"),
        limits="minidet_kernels.cuda.twins:takes_nms",
        doubts="minidet_kernels.cuda.twins:doubt",
    ),
    Impl("sweep", f"{HERE}.sweep:nms", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:nms", needs=("numba",)),
    Impl("grid", f"{HERE}.grid:nms", needs=("numba",), limits=limits.of_the_grid),
    Impl("cuda", f"{HERE}.cuda:nms", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda:takes_nms"),
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
    Impl(
        "cuda",
        f"{HERE}.cuda_batched:batched_nms",
        arrays={"cupy"},
        needs=("cupy",),
        limits=f"{HERE}.cuda_batched:takes",
    ),
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


@op(
    Impl("numba", f"{HERE}.numba_cpu:diou_nms", needs=("numba",)),
    Impl("grid", f"{HERE}.grid:diou_nms", needs=("numba",), limits=limits.of_the_grid),
    Impl(
        "cuda", f"{HERE}.cuda_batched:diou_nms", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda_batched:takes"
    ),
    check=check.by_class("diou_nms"),
)
def diou_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    threshold: float,
    beta: float = 1.0,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """``nms`` that compares IoU - (d^2 / c^2)^beta with the threshold: indices (int64) of the kept, best score first.

    d is the distance of two boxes' centres, c the diagonal of the smallest box around both, 0/0 counts as 0.
    ``beta`` 1 is the paper's (Zheng et al., "Distance-IoU Loss", 2020, equation 12); Darknet's ``beta_nms`` is 0.6
    unless its cfg says otherwise.  ``classes`` (n,), if given, are integers, and each is treated by itself.

    Raises as ``nms`` does, and ``ValueError`` for a ``beta`` that is not a finite number above 0.
    """
    limit, drops = boxes.dtype.type(threshold), COMPARE[compare]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        near = [k for k in kept if classes is None or classes[k] == classes[i]]
        overlap = iou_matrix.definition(boxes[near], boxes[i : i + 1], width=width, empty=empty)[:, 0]
        if not drops(overlap - penalty(boxes[near], boxes[i], beta=beta, width=width), limit).any():
            kept.append(i)
    return np.array(kept, np.int64)


@op(
    Impl("numba", f"{HERE}.numba_cpu:fast_nms", needs=("numba",)),
    Impl("grid", f"{HERE}.grid:fast_nms", needs=("numba",), limits=limits.of_the_grid),
    Impl(
        "cuda", f"{HERE}.cuda_batched:fast_nms", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda_batched:takes"
    ),
    check=check.by_class("fast_nms"),
)
def fast_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """Indices (int64) of the boxes that no better box overlaps too much, best score first: a subset of ``nms``'s.

    A box that is dropped drops others all the same (Bolya et al., "YOLACT", 2019, section 3.4).  ``classes`` (n,), if
    given, are integers, and each is treated by itself, as in YOLACT.  There is no limit on the number of boxes.

    Raises as ``nms`` does.
    """
    limit, drops, order = boxes.dtype.type(threshold), COMPARE[compare], np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for place, i in enumerate(order):
        better = [k for k in order[:place] if classes is None or classes[k] == classes[i]]
        overlap = iou_matrix.definition(boxes[better], boxes[i : i + 1], width=width, empty=empty)
        if not drops(overlap, limit).any():
            kept.append(i)
    return np.array(kept, np.int64)


@op(
    Impl("numba", f"{HERE}.soft:soft_nms", needs=("numba",)),
    Impl("cuda", f"{HERE}.cuda_decay:soft_nms", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda_batched:takes"),
    check=check.soft_nms,
)
def soft_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    spread: str = "sigma",
    threshold: float = 0.3,
    floor: float = 0.001,
    at_floor: str = "dropped",
    most: int | None = None,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> tuple[Array, Array]:
    """Indices (int64) of the kept boxes, best lowered score first, and their lowered scores.

    Again and again the box of the best score left is kept, and each box left of its class has its score multiplied, by
    ``kernel``: ``"linear"``, 1 - IoU if that is above ``threshold``, else 1; ``"gaussian"``, exp(-IoU^2 / sigma), or
    exp(-IoU^2 / (2 sigma)) with ``spread="two_sigma"``, whatever the threshold; ``"hard"``, 0 if the IoU is above the
    threshold, else 1.  It ends when no score left is above ``floor`` (or at it, with
    ``at_floor="kept"``), or when ``most`` boxes are kept.
    (Bodla et al., "Soft-NMS", 2017, section 3 and figure 2.)  Equal scores at any time: the lower index.

    ``classes`` (n,), if given, are integers, and each is treated by itself.  Raises as ``nms`` does, and ``ValueError``
    for a score that is below zero or infinite, a ``sigma`` not above 0, a ``floor`` below 0 or an unknown option.
    """
    s, left = scores.copy(), np.arange(len(scores))
    kept: list[int] = []
    while len(left) and len(kept) != most:
        best = left[np.argmax(s[left])]  # the first of equal ones
        if not (np.greater_equal if at_floor == "kept" else np.greater)(s[best], s.dtype.type(floor)):
            break
        kept.append(best)
        left = left[left != best]
        near = left if classes is None else left[classes[left] == classes[best]]
        overlap = iou_matrix.definition(boxes[near], boxes[best : best + 1], width=width, empty=empty)[:, 0]
        s[near] *= weight(
            overlap, kernel=kernel, threshold=threshold, compare=compare, sigma=sigma, spread=spread, dtype=s.dtype
        )
    return np.array(kept, np.int64), s[np.array(kept, np.int64)]


@op(
    Impl("numba", f"{HERE}.matrix:matrix_nms_of", needs=("numba",)),
    Impl(
        "cuda",
        f"{HERE}.cuda_decay:matrix_nms_of",
        arrays={"cupy"},
        needs=("cupy",),
        limits=f"{HERE}.cuda_decay:takes_matrix",
    ),
    check=check.matrix_nms_of,
)
def matrix_nms_of(
    iou: Array, scores: Array, classes: Array | None = None, *, kernel: str = "gaussian", sigma: float = 0.5
) -> Array:
    """The lowered scores (n,), in the order given, of things whose overlaps ``iou`` (n, n) are known, as of masks.

    With r the greatest overlap of each with a better one of its class (0 for the best), the score of j is multiplied
    by the least, over the better ones i of its class, of f(iou[i, j]) / f(r[i]), at most 1; f(x) is 1 - x
    (``"linear"``) or exp(-x^2 / sigma) (``"gaussian"``; SOLO's code gives 1 / sigma that name).  One whose r is 1
    lowers nothing.  In float64, rounded once to the scores' dtype before the product.  (Wang et al., "SOLOv2", 2020,
    equations 4 and 5.)

    Raises ``ValueError`` for a wrong shape, an overlap outside 0..1, a score that is NaN, infinite or below zero, or an
    unknown option; ``TypeError`` for a wrong dtype.
    """
    order = np.argsort(-scores, kind="stable")
    m = np.triu(iou[order][:, order].astype(np.float64), 1)  # row: the better one
    if classes is not None:
        m[classes[order][:, None] != classes[order]] = 0
    r = m.max(axis=0, initial=0)[:, None]
    if kernel == "gaussian":
        factor = np.exp(-(m * m - r * r).max(axis=0, initial=0) / sigma)
    else:
        factor = np.divide(1 - m, 1 - r, out=np.ones_like(m), where=r < 1).min(axis=0, initial=1)
    out = scores.copy()
    out[order] *= factor.astype(scores.dtype)
    return out


@op(
    Impl("numba", f"{HERE}.matrix:matrix_nms", needs=("numba",)),
    Impl(
        "cuda", f"{HERE}.cuda_decay:matrix_nms", arrays={"cupy"}, needs=("cupy",), limits=f"{HERE}.cuda_batched:takes"
    ),
    check=check.matrix_nms,
)
def matrix_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    width: str = "exclusive",
    empty: str = "zero",
) -> Array:
    """The lowered scores (n,) of boxes, in the order given: ``matrix_nms_of`` of their IoU; an IoU of NaN counts as 0.

    No score grows, and the best of each class keeps its own.  Raises as ``matrix_nms_of`` and ``nms`` do.
    """
    overlap = iou_matrix.definition(boxes, boxes, width=width, empty=empty)
    overlap[np.isnan(overlap)] = 0
    return matrix_nms_of.definition(overlap, scores, classes, kernel=kernel, sigma=sigma)


@op(
    Impl("numba", f"{HERE}.fusion:weighted_boxes_fusion", needs=("numba",)),
    check=check.weighted_boxes_fusion,
)
def weighted_boxes_fusion(
    boxes: Array,
    scores: Array,
    classes: Array,
    models: Array,
    *,
    threshold: float = 0.55,
    weights: Any = None,
    skip: float = 0.0,
    conf: str = "avg",
    count: str = "capped",
    compare: str = "strict",
    width: str = "exclusive",
) -> tuple[Array, Array, Array]:
    """The fused boxes (K, 4) of several models, their scores (K,) and classes (K,), best score first.

    ``models`` (n,) says which model, from 0, each of the ``boxes`` (n, 4) comes from; ``weights`` is a number above 0
    for each of the T models (without it, 1 for each of ``models.max() + 1``).  Scores are multiplied by their model's.
    From the best down, each box joins the cluster of its class whose fused box it overlaps most, if by more than
    ``threshold`` (of equal overlaps, the cluster begun first), or begins one.  A cluster's box is the average of its
    boxes weighted by their scores.  Its score is, with ``conf="avg"``, the mean of theirs times min(T, N) / W for N
    boxes (``count="all"``: times N / W), W the sum of the weights; with ``"max"``, the greatest over the greatest
    weight.
    Boxes of a score below ``skip``, or of 0, are left out.  (Solovyev et al., "Weighted boxes fusion", 2019.)

    All of it in float64, also the comparison; coordinates may be any finite numbers.  Equal scores go by lower index,
    and equal results by the better first box.  An inverted box overlaps nothing.

    Raises as ``nms`` does, and ``ValueError`` for a box that is not finite, a score that is infinite or below zero, a
    model below 0 or without a weight, or a weight that is not above 0.
    """
    share = per_model(models, weights)
    x, s = boxes.astype(np.float64), scores.astype(np.float64) * share[models]
    (taken,) = np.nonzero((scores >= skip) & (s > 0))
    clusters: list[list[int]] = []
    fused = np.zeros_like(x)  # of each cluster
    for i in taken[np.argsort(-s[taken], kind="stable")]:
        near = [k for k, members in enumerate(clusters) if classes[members[0]] == classes[i]]
        overlap = np.nan_to_num(iou_matrix.definition(fused[near], x[i : i + 1], width=width)[:, 0])
        if len(near) and COMPARE[compare](overlap.max(), threshold):
            clusters[k := near[np.argmax(overlap)]].append(i)
            fused[k] = weighted_mean(x[clusters[k]], s[clusters[k]])
        else:
            fused[len(clusters)] = x[i]
            clusters.append([i])
    score = np.array([fused_score(s[members], share, conf=conf, count=count) for members in clusters])
    best = np.argsort(-score, kind="stable")
    label = classes[np.array([members[0] for members in clusters], np.int64)]
    return fused[best].astype(boxes.dtype), score[best].astype(scores.dtype), label[best]
