"""Truths and detections of a whole data set as flat columns, the form that every evaluator here takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minidet_kernels.masks import Runs


@dataclass(frozen=True, eq=False)
class TruthColumns:
    """T annotated objects; the order within an image is that of the file, which decides ties.

    image       (T,) int64, 0 <= image < ``images``.
    label       (T,) int64, 0 <= label < ``classes``.
    boxes       (T, 4) float64 **xywh**, as in COCO's files, so that no rounding comes in between.
    area        (T,) float64, annotated; NaN where not given.
    crowd       (T,) bool.     difficult  (T,) bool.     ids  (T,) int64.
    masks       for each *image* in turn the runs of its objects, in order, or None; a list of ``Runs``.
    keypoints   (T, K, 3) float64 or None.
    """

    images: int
    classes: int
    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    ids: np.ndarray
    masks: list[Runs] | None = None
    keypoints: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FoundColumns:
    """D detections, in any order; equal scores keep it.

    image, label (D,) int64 as above; boxes (D, 4) float64 xywh; scores (D,) float64; ``masks`` for each image in turn
    the runs of its detections, in order, or None; ``keypoints`` (D, K, 3) float64 or None.
    """

    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    masks: list[Runs] | None = None
    keypoints: np.ndarray | None = None


def as_columns(**columns: Any) -> dict[str, np.ndarray]:
    """Columns in their dtypes: float64 for boxes, area, scores, keypoints; bool for flags; int64 for the rest."""
    dtypes = {"boxes": np.float64, "area": np.float64, "scores": np.float64, "keypoints": np.float64}
    flags = {"crowd": np.bool_, "difficult": np.bool_}
    return {name: np.asarray(c, dtypes.get(name, flags.get(name, np.int64))) for name, c in columns.items()}


def check_columns(truths: TruthColumns, found: FoundColumns) -> None:
    """``ValueError`` for an image or class that does not exist, and for boxes or scores that are not finite."""
    for what, columns in (("truths", truths), ("detections", found)):
        for name, most in (("image", truths.images), ("label", truths.classes)):
            column = getattr(columns, name)
            if len(column) and not (column.min() >= 0 and column.max() < most):
                raise ValueError(
                    f"{what}: {name} from 0 to {most - 1} was expected, found {column.min()} to {column.max()}"
                )
        if not np.isfinite(columns.boxes).all():
            raise ValueError(f"{what}: boxes must be finite; found NaN or infinity")
    if not np.isfinite(found.scores).all():
        raise ValueError("detections: scores must be finite; found NaN or infinity")
