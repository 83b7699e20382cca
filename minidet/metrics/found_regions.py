"""What an R-CNN finds, with its masks, in COCO's results format and as the columns that evaluators take.

A mask of an R-CNN is probabilities over its box; what is at least a half, once it is put into the image
(`minidet.boxes.paste`), becomes runs, some masks at a time: hundreds of objects in a large picture need no more memory
than a few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from minidet_kernels.masks import Runs, encode

from ..boxes.paste import patches
from .coco_json import CocoIndex, found_in
from .columns import FoundColumns, as_columns
from .from_dataset import image_order

if TYPE_CHECKING:
    from minidet.data.dataset import Dataset

#: Dense masks that are held in memory at a time.
AT_ONCE = 32


def mask_runs(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, rule: str = "torchvision") -> Runs:
    """The runs of ``masks`` (K, M, M), probabilities over ``boxes`` (K, 4) xyxy, in an image of ``size`` (h, w).

    ``rule`` is that of `minidet.boxes.paste`: with "torchvision" a pixel above a half is the object's, with
    "detectron2" one of at least a half.
    """
    parts = [encode(np.zeros((0, *size), bool))]
    for first in range(0, len(masks), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        dense = np.zeros((len(masks[some]), *size), bool)
        for image, (rows, columns, values) in zip(
            dense, patches(masks[some], boxes[some], size, rule=rule), strict=True
        ):
            image[rows, columns] = values > 0.5 if rule == "torchvision" else values >= 0.5
        parts.append(encode(dense))
    lengths = np.concatenate([np.diff(part.splits) for part in parts])
    return Runs(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        size,
    )


def region_results(
    results: Sequence[Mapping[str, Any]], dataset: Dataset, *, masks: bool = False, keypoints: bool = False,
    source: str = "results",
) -> FoundColumns:  # fmt: skip
    """Results in COCO's format, with their ``masks`` or ``keypoints``, as columns beside ``truth_columns(dataset)``.

    Raises ``InputError`` that names ``source`` and the result.
    """
    number = np.asarray(dataset.category_ids, np.int64)
    images, order = image_order(dataset), np.argsort(number)
    index = CocoIndex(
        images=np.array([dataset.records[i].id for i in images], np.int64),
        sizes=np.array([dataset.records[i].size for i in images], np.int64).reshape(-1, 2),
        categories=number[order],
        names=tuple(dataset.names[k] for k in order),
        keypoints=dataset.keypoint_names,
    )
    found = found_in(list(map(dict, results)), index, source=source, masks=masks, keypoints=keypoints)
    return replace(found, label=order[found.label])


def region_columns(found: Sequence[Any], masks: Sequence[Runs] | None = None) -> FoundColumns:
    """What was found in each image in turn, in the order of ``truth_columns``; ``masks`` the runs of each image."""

    def joined(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([empty, *(getattr(one, name) for one in found)])

    boxes = joined("boxes", np.zeros((0, 4)))
    columns: dict[str, Any] = as_columns(
        image=np.repeat(np.arange(len(found)), [len(one.boxes) for one in found]),
        label=joined("labels", np.zeros(0, np.int64)),
        boxes=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        scores=joined("scores", np.zeros(0)),
    )
    return FoundColumns(**columns, masks=None if masks is None else list(masks))
