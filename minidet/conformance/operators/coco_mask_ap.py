"""``coco_mask_ap(...)``: `coco_ap` of masks.

The call is that of ``coco_ap`` with ``truth_masks`` (T, h, w) and ``masks`` (D, h, w), uint8, 1 where the object is, in
the place of boxes.  IoU is of pixels, and the area of a detection is the number of its.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .coco_ap import answer_of, case, kept, objects_of, units
from .operator import Answer, Dialect, Inputs, Operator, Vector

TRUTHS = ("truth_images", "truth_labels", "truth_masks", "truth_area", "truth_crowd", "truth_ignore", "truth_ids")
#: What is left open of boxes, and is not asked of masks.
COCO_S = {"recall_bins": "exact", "compare": "inclusive", "match": "free", "score_ties": "images", "limit_per": "class"}


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """AP of each class, float64."""
    inputs, dialect = kept(inputs, dialect, TRUTHS), {**COCO_S, **dialect}
    if dialect["interpolation"] == "coco101_float":
        dialect |= {"interpolation": "coco101", "recall_bins": "float"}
    truths, found = (
        inputs[name].astype(np.int64).reshape(len(inputs[name]), math.prod(inputs[name].shape[1:]))
        for name in ("truth_masks", "masks")
    )
    both = (found @ truths.T).tolist()
    sizes = [masks.sum(axis=1).tolist() for masks in (truths, found)]

    def overlap(d: int, t: int, crowd: bool) -> tuple[int, int]:
        inter, own = both[d][t], sizes[1][d]
        return inter, own if crowd else own + sizes[0][t] - inter

    return answer_of(objects_of(inputs, dialect, *sizes), overlap, inputs, dialect)


def masks_of(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(n, h, w) uint8 of the pixels within whole boxes."""
    masks = np.zeros((len(boxes), *size), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(np.int64), strict=True):
        mask[y1:y2, x1:x2] = 1
    return masks


def with_masks(inputs: Inputs, size: tuple[int, int]) -> dict[str, Any]:
    """The inputs of `coco_ap`, with the masks of their boxes in the place of these."""
    names = {"truth_boxes": "truth_masks", "boxes": "masks"}
    return {names.get(n, n): masks_of(v, size) if n in names else v for n, v in inputs.items()}


def of(truths: Sequence[dict[str, Any]], found: Sequence[tuple[Any, ...]], **options: Any) -> dict[str, Any]:
    """`case`, on masks of 4 x 20 pixels."""
    return with_masks(case(truths, found, **options), (4, 20))


A, FAR = [0, 0, 4, 2], [10, 0, 14, 2]


def _seven_of_ten() -> dict[str, Any]:
    """The first seven of ten truths, of two pixels each, are found."""
    boxes = [[2 * i, 0, 2 * i + 2, 1] for i in range(10)]
    return of([{"box": box} for box in boxes], [(box, 1 - i / 64) for i, box in enumerate(boxes[:7])])


TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("7 of 10", _seven_of_ten(), ("interpolation",)),
    ("a class without truth", of([], [(A, 0.5)]), ("no_truth",)),
    ("a truth of id 0, found", of([{"box": A, "id": 0}], [(A, 0.5)]), ("zero_id",)),
    (
        "the first detection is as near to one truth as to the other, the second near to the first truth",
        of([{"box": [2, 0, 7, 1]}, {"box": [4, 0, 9, 1]}], [([3, 0, 8, 1], 0.75), ([1, 0, 6, 1], 0.5)]),
        ("tie", "interpolation"),
    ),
    (
        "an area of 8, of 0 to 8",
        of([{"box": A}], [(A, 0.5)], area_range=(0, 8)),
        ("areas", "no_truth"),
    ),
    (
        "an annotated area of 3 of a mask of 8 pixels, of 0 to 4",
        of([{"box": A, "area": 3}], [(A, 0.5)], area_range=(0, 4)),
        ("area", "no_truth"),
    ),
    (
        "a detection inside a crowd, and a better one of a truth",
        of([{"box": [0, 0, 8, 4], "crowd": 1}, {"box": FAR}], [(A, 0.75), (FAR, 0.5)]),
        ("crowd", "interpolation"),
    ),
    ("only a crowd", of([{"box": A, "crowd": 1}], [(A, 0.5)]), ("crowd", "no_truth")),
    (
        "two truths, one to be ignored, the other found",
        of([{"box": A, "ignore": 1}, {"box": FAR}], [(FAR, 0.5)]),
        ("ignore", "interpolation"),
    ),
)

COCO_MASK_AP = Operator(
    "coco_mask_ap",
    "coco_mask_ap(truth_images, truth_labels, truth_masks, truth_area, truth_crowd, truth_ignore, truth_ids, images, "
    "labels, masks, scores, thresholds, area_range, limit, classes): masks (n, h, w) of uint8 to the AP of each class",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    units=units,
)
