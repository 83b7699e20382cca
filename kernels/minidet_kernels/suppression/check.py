"""The arguments of suppression: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..overlap import check as overlap

#: What ``compare`` names.
COMPARE = {"strict": np.greater, "inclusive": np.greater_equal}
#: How a score decays with the overlap, what the exponent's denominator is, and how a fused box is scored.
KERNELS, DECAYS = ("linear", "gaussian", "hard"), ("linear", "gaussian")
SPREADS, AT_FLOOR = ("sigma", "two_sigma"), ("dropped", "kept")
CONFIDENCES, COUNTS = ("avg", "max"), ("capped", "all")


def _per_box(where: str, name: str, x: Array, boxes: Array) -> None:
    if x.shape != boxes.shape[:1]:
        raise ValueError(f"{where}: {len(boxes)} boxes need {name} of shape ({len(boxes)},), not {x.shape}")


def _whole(where: str, name: str, x: Array, boxes: Array) -> None:
    """Refuse anything but an integer per box."""
    overlap.together(where, boxes=boxes, **{name: x})
    if x.dtype.kind not in "iu":
        raise TypeError(f"{where}: {name} must be integers, not {x.dtype}; use {name}.astype(np.int64)")
    _per_box(where, name, x, boxes)


def _named(where: str, name: str, value: Any, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{where}: {name} is one of {', '.join(map(repr, known))}, not {value!r}")


def _number(value: Any) -> bool:
    return isinstance(value, Real)


def _threshold(where: str, threshold: Any) -> None:
    if not _number(threshold):
        raise TypeError(f"{where}: threshold is a number between 0 and 1, not {threshold!r}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"{where}: threshold is an IoU between 0 and 1, not {threshold}")


def _positive(where: str, name: str, value: Any) -> None:
    if not _number(value) or not 0 < value < np.inf:
        raise ValueError(f"{where}: {name} is a finite number above 0, not {value!r}")


def _decaying(where: str, scores: Array) -> None:
    """Refuse scores that do not shrink when multiplied by a number in 0..1."""
    wrong = ~((scores >= 0) & (scores < np.inf))
    if bool(wrong.any()):
        raise ValueError(
            f"{where}: scores that decay must be finite and not below 0; {int(wrong.sum())} of the {len(scores)} are "
            f"not, first in row {int(wrong.argmax())}"
        )


def _finite(where: str, boxes: Array) -> None:
    wrong = ~namespace(boxes).isfinite(boxes).all(axis=1)
    if bool(wrong.any()):
        raise ValueError(
            f"{where}: boxes that are averaged must be finite; {int(wrong.sum())} of the {len(boxes)} are not, first "
            f"in row {int(wrong.argmax())}"
        )


def nms(
    boxes: Array,
    scores: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
    where: str = "nms",
) -> None:
    """Check the arguments of ``nms``."""
    overlap.boxes(where, "boxes", boxes)
    overlap.floating(where, "scores", scores)
    overlap.together(where, boxes=boxes, scores=scores)
    _per_box(where, "scores", scores, boxes)
    _threshold(where, threshold)
    _named(where, "compare", compare, COMPARE)
    overlap.options(where, width, empty)
    overlap.no_nan(where, "boxes", boxes)
    overlap.no_nan(where, "scores", scores)


def batched_nms(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    threshold: float,
    compare: str = "strict",
    width: str = "exclusive",
    empty: str = "zero",
) -> None:
    """Check the arguments of ``batched_nms``."""
    nms(boxes, scores, threshold=threshold, compare=compare, width=width, empty=empty, where="batched_nms")
    _whole("batched_nms", "classes", classes, boxes)


def by_class(where: str) -> Callable[..., None]:
    """The check of an operator like ``nms`` whose classes may be left out."""

    def check(boxes: Array, scores: Array, classes: Array | None = None, **options: Any) -> None:
        if "beta" in options:
            _positive(where, "beta", options.pop("beta"))
        nms(boxes, scores, where=where, **options)
        if classes is not None:
            _whole(where, "classes", classes, boxes)

    return check


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
    **options: Any,
) -> None:
    """Check the arguments of ``soft_nms``."""
    by_class("soft_nms")(boxes, scores, classes, threshold=threshold, **options)
    _decaying("soft_nms", scores)
    _named("soft_nms", "kernel", kernel, KERNELS)
    _named("soft_nms", "spread", spread, SPREADS)
    _named("soft_nms", "at_floor", at_floor, AT_FLOOR)
    _positive("soft_nms", "sigma", sigma)
    if not _number(floor) or not 0 <= floor < np.inf:
        raise ValueError(f"soft_nms: floor is a finite score, not below 0, not {floor!r}")
    if most is not None and (not isinstance(most, Integral) or most < 0):
        raise ValueError(f"soft_nms: most is a whole number of boxes or None, not {most!r}")


def matrix_nms(
    boxes: Array,
    scores: Array,
    classes: Array | None = None,
    *,
    kernel: str = "gaussian",
    sigma: float = 0.5,
    width: str = "exclusive",
    empty: str = "zero",
) -> None:
    """Check the arguments of ``matrix_nms``."""
    by_class("matrix_nms")(boxes, scores, classes, threshold=0, width=width, empty=empty)
    _decaying("matrix_nms", scores)
    _named("matrix_nms", "kernel", kernel, DECAYS)
    _positive("matrix_nms", "sigma", sigma)


def matrix_nms_of(
    iou: Array, scores: Array, classes: Array | None = None, *, kernel: str = "gaussian", sigma: float = 0.5
) -> None:
    """Check the arguments of ``matrix_nms_of``."""
    where = "matrix_nms_of"
    overlap.floating(where, "iou", iou)
    overlap.floating(where, "scores", scores)
    overlap.together(where, iou=iou, scores=scores)
    if iou.ndim != 2 or iou.shape[0] != iou.shape[1]:
        raise ValueError(f"{where}: iou must have shape (n, n), each with each, not {iou.shape}")
    if scores.shape != iou.shape[:1]:
        raise ValueError(f"{where}: a matrix of {iou.shape} needs scores of shape ({len(iou)},), not {scores.shape}")
    wrong = ~((iou >= 0) & (iou <= 1))
    if bool(wrong.any()):
        i, j = divmod(int(wrong.argmax()), len(iou))
        raise ValueError(f"{where}: iou holds numbers between 0 and 1; [{i}, {j}] is {iou[i, j]}")
    overlap.no_nan(where, "scores", scores)
    _decaying(where, scores)
    if classes is not None:
        _whole(where, "classes", classes, scores)
    _named(where, "kernel", kernel, DECAYS)
    _positive(where, "sigma", sigma)


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
) -> None:
    """Check the arguments of ``weighted_boxes_fusion``."""
    where = "weighted_boxes_fusion"
    nms(boxes, scores, threshold=threshold, compare=compare, width=width, where=where)
    _finite(where, boxes)
    _decaying(where, scores)
    _whole(where, "classes", classes, boxes)
    _whole(where, "models", models, boxes)
    _named(where, "conf", conf, CONFIDENCES)
    _named(where, "count", count, COUNTS)
    if not _number(skip) or not 0 <= skip < np.inf:
        raise ValueError(f"{where}: skip is a finite score, not below 0, not {skip!r}")
    if len(models) and models.min() < 0:
        raise ValueError(f"{where}: models count from 0; row {int(models.argmin())} has {int(models.min())}")
    if weights is not None:
        found = namespace(weights).asarray(weights)
        if found.ndim != 1 or found.dtype.kind not in "iuf" or not ((found > 0) & (found < np.inf)).all():
            raise ValueError(f"{where}: weights are one finite number above 0 per model, not {weights!r}")
        if len(models) and models.max() >= len(found):
            raise ValueError(f"{where}: {len(found)} weights for models up to {int(models.max())}; give one per model")
