"""Data sets and what a detector found as columns, masks and keypoints with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from minidet_kernels.masks import Runs

from .columns import FoundColumns, TruthColumns, as_columns
from .from_dataset import image_order, truth_columns

if TYPE_CHECKING:
    from minidet.data.dataset import Dataset
    from minidet.detections import Detections


def truths_of(dataset: Dataset) -> TruthColumns:
    """What is in the images of ``dataset``, in the order of their numbers; masks and keypoints where there are any.

    Masks are there when every image with objects has them.  Keypoints are moved back by half a pixel, where they are
    labelled, since COCO's results are numbered by pixels; images without get keypoints of visibility 0.
    """
    columns = truth_columns(dataset)
    records = [dataset.records[i] for i in image_order(dataset)]
    masks = None
    if any(len(r.objects) for r in records) and all(r.objects.masks is not None for r in records if len(r.objects)):
        none = np.zeros(0, np.int64), np.zeros(1, np.int64)
        masks = [r.objects.masks if r.objects.masks is not None else Runs(*none, r.size) for r in records]
    points = [r.objects.keypoints for r in records]
    count = max((p.shape[1] for p in points if p is not None), default=0)
    keypoints = None
    if count:
        parts = [np.zeros((len(r.objects), count, 3)) if p is None else p for r, p in zip(records, points, strict=True)]
        keypoints = np.concatenate(parts)
        keypoints[:, :, :2] -= 0.5 * (keypoints[:, :, 2:] > 0)
    return replace(columns, masks=masks, keypoints=keypoints)


def found_of(detections: Sequence[Detections]) -> FoundColumns:
    """What was found in each image in turn (in the order of ``truths_of``); boxes become x y width height."""
    boxes = np.concatenate([d.boxes for d in detections]) if len(detections) else np.zeros((0, 4))
    return FoundColumns(
        **as_columns(
            image=np.repeat(np.arange(len(detections)), [len(d) for d in detections]),
            label=np.concatenate([d.labels for d in detections]) if len(detections) else [],
            boxes=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
            scores=np.concatenate([d.scores for d in detections]) if len(detections) else [],
        )  # type: ignore[arg-type]
    )
