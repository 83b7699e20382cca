"""What is in an image, as the losses of R-CNNs take it: boxes in pixels, with masks and keypoints where known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from minidet_kernels.masks import Runs

from ..data.dataset import Objects


@dataclass(frozen=True, eq=False)
class RegionTruths:
    """The truths of one image: ``boxes`` (T, 4) float64 xyxy in pixels of the input, ``labels`` (T,) int64 from 0.

    ``masks``, runs of T masks of the input's size, may overlap and may be empty; ``keypoints`` (T, K, 3) are x, y and
    visibility.  Both may be None.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: Runs | None = None
    keypoints: np.ndarray | None = None

    @classmethod
    def from_objects(cls, objects: Objects, size: tuple[int, int] | None = None) -> RegionTruths:
        """Of objects in pixels of the input; its size (height, width) is not needed."""
        return cls(objects.boxes, objects.labels, objects.masks, objects.keypoints)

    def __len__(self) -> int:
        return len(self.boxes)

    def with_area(self) -> RegionTruths:
        """Those whose box has an area: no proposal can overlap another, and its logarithmic sides are infinite."""
        wide = ((self.boxes[:, 2:] - self.boxes[:, :2]) > 0).all(axis=1)
        if wide.all():
            return self
        masks = None if self.masks is None else self.masks.take(np.flatnonzero(wide))
        return RegionTruths(
            self.boxes[wide], self.labels[wide], masks, None if self.keypoints is None else self.keypoints[wide]
        )


def check_regions(
    truths: Sequence[RegionTruths], size: tuple[int, int], classes: int, *, masks: bool = False, keypoints: int = 0
) -> None:
    """``ValueError`` naming the first image whose truths do not fit an input of ``size`` (height, width).

    Boxes and labels must be of one length, boxes finite, labels below ``classes``; ``masks`` says that there must be
    masks, of the input's size; ``keypoints`` how many of them each object must have.
    """
    for n, truth in enumerate(truths):
        t = len(truth.labels)
        if truth.boxes.shape != (t, 4) or not np.isfinite(truth.boxes).all():
            raise ValueError(f"truths of image {n}: finite boxes ({t}, 4) were expected, found {truth.boxes.shape}")
        if t and not (truth.labels.dtype.kind in "iu" and 0 <= truth.labels.min() <= truth.labels.max() < classes):
            raise ValueError(f"labels of image {n} must be integers in range({classes}), found {truth.labels.tolist()}")
        if masks and t and truth.masks is None:
            raise ValueError(f"truths of image {n}: {t} boxes without masks, which this network learns")
        if masks and t and truth.masks is not None and (truth.masks.size != tuple(size) or len(truth.masks) != t):
            raise ValueError(
                f"masks of image {n}: {t} of {size[0]} x {size[1]} pixels, as the input, were expected, found "
                f"{len(truth.masks)} of {truth.masks.size[0]} x {truth.masks.size[1]}"
            )
        if keypoints and t and (truth.keypoints is None or truth.keypoints.shape != (t, keypoints, 3)):
            found = "none" if truth.keypoints is None else str(truth.keypoints.shape)
            raise ValueError(f"keypoints of image {n}: ({t}, {keypoints}, 3) were expected, found {found}")
