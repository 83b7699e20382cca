"""The arguments of suppression: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

from numbers import Real

import numpy as np

from ..arrays import Array
from ..overlap import check as overlap

#: What ``compare`` names.
COMPARE = {"strict": np.greater, "inclusive": np.greater_equal}


def _per_box(where: str, name: str, x: Array, boxes: Array) -> None:
    if x.shape != boxes.shape[:1]:
        raise ValueError(f"{where}: {len(boxes)} boxes need {name} of shape ({len(boxes)},), not {x.shape}")


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
    if not isinstance(threshold, Real):
        raise TypeError(f"{where}: threshold is a number between 0 and 1, not {threshold!r}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"{where}: threshold is an IoU between 0 and 1, not {threshold}")
    if compare not in COMPARE:
        raise ValueError(f"{where}: compare is one of {', '.join(map(repr, COMPARE))}, not {compare!r}")
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
    overlap.together("batched_nms", boxes=boxes, classes=classes)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"batched_nms: classes must be integers, not {classes.dtype}; use classes.astype(np.int64)")
    _per_box("batched_nms", "classes", classes, boxes)
