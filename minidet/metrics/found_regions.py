"""What an R-CNN finds, with its masks, in COCO's results format and as the columns that evaluators take.

A mask of an R-CNN is probabilities over its box; what is at least a half, once it is put into the image
(`minidet.boxes.paste`), becomes runs, some masks at a time: hundreds of objects in a large picture need no more memory
than a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minidet_kernels.masks import Runs, encode, to_coco

from ..boxes.paste import patches
from .columns import FoundColumns, as_columns

#: Dense masks that are held in memory at a time.
AT_ONCE = 32
KEYPOINT_SEEN = 2  # COCO's results have a third number for each point, which is not looked at


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
    found: Any, image_id: int, category_ids: Sequence[int | None], masks: Runs | None = None
) -> list[dict[str, Any]]:
    """COCO's results of one image: ``found`` has boxes, scores, labels and maybe keypoints, ``masks`` its runs.

    ``category_ids`` has the number of each label; what has None is left out.  Boxes are x y width height; points are
    moved by half a pixel, since COCO numbers pixels where positions here are of their edges.
    """
    segmentations = [None] * len(found.boxes) if masks is None else to_coco(masks)
    rows = []
    for k, (box, score, label) in enumerate(zip(found.boxes, found.scores, found.labels, strict=True)):
        number = category_ids[int(label)]
        if number is None:
            continue
        x1, y1, x2, y2 = (float(edge) for edge in box)
        row: dict[str, Any] = {
            "image_id": int(image_id), "category_id": int(number), "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": float(score),
        }  # fmt: skip
        if segmentations[k] is not None:
            row["segmentation"] = segmentations[k]
        if found.keypoints is not None:
            points = [[float(x) - 0.5, float(y) - 0.5, KEYPOINT_SEEN] for x, y in found.keypoints[k][:, :2]]
            row["keypoints"] = [number for point in points for number in point]
        rows.append(row)
    return rows


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
