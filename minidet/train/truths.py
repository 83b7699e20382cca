"""What is in the images of a batch, as losses take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Truths(NamedTuple):
    """The truths of one image: ``boxes`` (T, 4) centre x, y, width, height in 0..1; ``labels`` int (T,)."""

    boxes: np.ndarray
    labels: np.ndarray

    @classmethod
    def from_pixels(cls, boxes: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Truths:
        """From xyxy in pixels of a picture (or network input) of ``size`` = (height, width)."""
        scale = np.asarray([size[1], size[0]], dtype=np.float64)
        low, high = np.asarray(boxes, np.float64).reshape(-1, 2, 2).transpose(1, 0, 2)
        return cls(np.concatenate([(low + high) / 2 / scale, (high - low) / scale], axis=1), np.asarray(labels))


def check_truths(truths: Sequence[Truths], classes: int) -> None:
    """``ValueError`` naming the first image whose truths are misshapen, not finite, out of range or of no class."""
    for n, (boxes, labels) in enumerate(truths):
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != (len(boxes),):
            raise ValueError(
                f"truths of image {n}: boxes {boxes.shape} and labels {labels.shape}, expected (T, 4), (T,)"
            )
        good = ((boxes[:, :2] >= 0) & (boxes <= 1)[:, :2] & (boxes[:, 2:] > 0) & (boxes[:, 2:] <= 1)).all(axis=1)
        if not good.all():
            t = int(np.argmin(good))
            raise ValueError(
                f"truth {t} of image {n} is {boxes[t].tolist()}; expected a centre in [0, 1] and a size in (0, 1]"
            )
        if len(labels) and not (labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < classes):
            raise ValueError(f"labels of image {n} must be integers in range({classes}), found {labels.tolist()}")
