"""``coco_ap(...)``: the average precision of each class, from the truths and the detections of all images.

In the order of the call:

=================  ==================================================================================================
``truth_images``   (T,) int64, the image of each truth, from 0
``truth_labels``   (T,) int64, its class, from 0
``truth_boxes``    (T, 4)
``truth_area``     (T,) its area as annotated
``truth_crowd``    (T,) int64, 1 for a crowd
``truth_ignore``   (T,) int64, 1 where the annotation says ``ignore``
``truth_ids``      (T,) int64, all different
``images``         (D,) int64, and ``labels`` (D,) int64, ``boxes`` (D, 4), ``scores`` (D,): the detections
``thresholds``     of IoU, in hundredths: AP is the mean over them
``area_range``     the least and the greatest area of truths that count
``limit``          most detections that take part
``classes``        how many
=================  ==================================================================================================

The answer is (classes,).  A detection is compared with the truths of its image and class, best score first, and takes
the best that is left and reaches the threshold, one that counts before one that does not.  What takes a truth that does
not count is left out, and so is what takes none and has an area out of range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact, ranked
from .operator import Answer, Dialect, Inputs, Operator, Vector

#: AP of a class without a truth.
NOTHING = {"minus_one": -1.0, "zero": 0.0, "nan": math.nan}
EVERY = (0, 10**6)
ALL_TEN = tuple(range(50, 100, 5))


def flags(values: np.ndarray) -> list[bool]:
    """Of integers."""
    return [one != 0 for one in values.tolist()]


def objects_of(inputs: Inputs, dialect: Dialect, truth_sizes: Sequence[Any], sizes: Sequence[Any]) -> ranked.Objects:
    """The lists that `ranked` takes; sizes are areas as measured."""
    low, high = inputs["area_range"]
    crowd = [one and dialect["crowd"] == "ignore" for one in flags(inputs["truth_crowd"])]
    areas = truth_sizes if dialect["area"] == "measured" else inputs["truth_area"].tolist()
    honoured = dialect["ignore"] == "honoured"

    def outside(area: Any) -> bool:
        return bool(area < low or (area > high if dialect["areas"] == "closed" else area >= high))

    ignored = [
        is_crowd or (honoured and flag) or outside(area)
        for is_crowd, flag, area in zip(crowd, flags(inputs["truth_ignore"]), areas, strict=True)
    ]
    return ranked.Objects(
        inputs["truth_images"].tolist(),
        inputs["truth_labels"].tolist(),
        crowd,
        ignored,
        [one == 0 and dialect["zero_id"] == "unmatched" for one in inputs["truth_ids"].tolist()],
        inputs["images"].tolist(),
        inputs["labels"].tolist(),
        inputs["scores"].tolist(),
        [outside(size) for size in sizes],
    )


def kept(inputs: Inputs, dialect: Dialect, truths: Sequence[str]) -> dict[str, Any]:
    """The inputs, without crowds where they are dropped."""
    if dialect["crowd"] != "drop":
        return dict(inputs)
    some = inputs["truth_crowd"] == 0
    return {name: value[some] if name in truths else value for name, value in inputs.items()}


def answer_of(objects: ranked.Objects, overlap: ranked.Overlap, inputs: Inputs, dialect: Dialect) -> Answer:
    """AP of each class, float64."""
    thresholds = [Fraction(t, 100) for t in inputs["thresholds"]]
    aps = ranked.average_precisions(objects, overlap, thresholds, inputs["classes"], inputs["limit"], dialect)
    return np.array([NOTHING[dialect["no_truth"]] if ap is None else ap for ap in aps], np.float64)


TRUTHS = ("truth_images", "truth_labels", "truth_boxes", "truth_area", "truth_crowd", "truth_ignore", "truth_ids")


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """AP of each class, float64."""
    inputs = kept(inputs, dialect, TRUTHS)
    truths, found = exact.boxes(inputs["truth_boxes"]), exact.boxes(inputs["boxes"])
    width = dialect["width"]

    def overlap(d: int, t: int, crowd: bool) -> tuple[Any, Any]:
        inter, union = exact.parts(found[d], truths[t], width=width, inverted="empty")
        return inter, exact.parts(found[d], found[d], width=width, inverted="empty")[1] if crowd else union

    sizes = [[(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes] for boxes in (truths, found)]
    return answer_of(objects_of(inputs, dialect, *sizes), overlap, inputs, dialect)


def units(inputs: Inputs) -> float:
    """A precision has two roundings, the sum of 101 of them, each at most 1, a hundred, and the quotient one."""
    return 2.0 * (101 + 3 + len(inputs["thresholds"]))


def case(
    truths: Sequence[dict[str, Any]],
    found: Sequence[tuple[Any, ...]],
    *,
    thresholds: tuple[int, ...] = (50,),
    area_range: tuple[int, int] = EVERY,
    limit: int = 100,
    classes: int = 1,
) -> dict[str, Any]:
    """Inputs of a call.  A truth is ``box`` and at times ``image``, ``label``, ``area`` (the box's), ``crowd``,
    ``ignore``, ``id`` (numbers from 1); a detection is box, score, and at times image and label.
    """
    boxes = [one["box"] for one in truths]
    areas = [one.get("area", (box[2] - box[0]) * (box[3] - box[1])) for one, box in zip(truths, boxes, strict=True)]
    more = [(*one, *(0, 0)[: 4 - len(one)]) for one in found]

    def whole(values: Sequence[Any]) -> np.ndarray:
        return np.array(values, np.int64)

    return {
        "truth_images": whole([one.get("image", 0) for one in truths]),
        "truth_labels": whole([one.get("label", 0) for one in truths]),
        "truth_boxes": np.array(boxes, np.float64).reshape(-1, 4),
        "truth_area": np.array(areas, np.float64),
        "truth_crowd": whole([one.get("crowd", 0) for one in truths]),
        "truth_ignore": whole([one.get("ignore", 0) for one in truths]),
        "truth_ids": whole([one.get("id", n) for n, one in enumerate(truths, 1)]),
        "images": whole([one[2] for one in more]),
        "labels": whole([one[3] for one in more]),
        "boxes": np.array([one[0] for one in more], np.float64).reshape(-1, 4),
        "scores": np.array([one[1] for one in more], np.float64),
        "thresholds": thresholds,
        "area_range": area_range,
        "limit": limit,
        "classes": classes,
    }


def apart(n: int) -> list[list[int]]:
    """Boxes that do not meet."""
    return [[20 * i, 0, 20 * i + 10, 10] for i in range(n)]


def k_of_n(k: int, n: int) -> dict[str, Any]:
    """The first k of n truths are found perfectly, and nothing else is."""
    return case([{"box": box} for box in apart(n)], [(box, 1 - i / 64) for i, box in enumerate(apart(k))])


A, B, FAR = [0, 0, 10, 10], [3, 0, 13, 10], [100, 0, 110, 10]
BOTH = ("interpolation", "recall_bins")
TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("1 of 1", k_of_n(1, 1), ("interpolation",)),
    ("3 of 10", k_of_n(3, 10), BOTH),
    ("7 of 10", k_of_n(7, 10), BOTH),
    ("1 of 3", k_of_n(1, 3), ("interpolation",)),
    (
        "a hit, a miss, a hit, of 2",
        case([{"box": A}, {"box": FAR}], [(A, 0.75), ([50, 0, 60, 10], 0.5), (FAR, 0.25)]),
        ("interpolation",),
    ),
    ("a class without truth", case([], [(A, 0.5)]), ("no_truth",)),
    ("a truth of id 0, found", case([{"box": A, "id": 0}], [(A, 0.5)]), ("zero_id", "interpolation")),
    (
        "the first detection is as near to one truth as to the other, the second near to the first truth",
        case([{"box": A}, {"box": [4, 0, 14, 10]}], [([2, 0, 12, 10], 0.75), ([-2, 0, 8, 10], 0.5)]),
        ("tie", "interpolation"),
    ),
    ("IoU 50/100", case([{"box": A}], [([0, 0, 10, 5], 0.5)]), ("compare", "width", "interpolation")),
    (
        "IoU 12/25, of whole pixels 20/36",
        case([{"box": [0, 0, 5, 5]}], [([0, 0, 4, 3], 0.5)]),
        ("width", "interpolation"),
    ),
    (
        "two truths, both detections nearest to the first",
        case([{"box": A}, {"box": B}], [(A, 0.75), ([1, 0, 11, 10], 0.5)]),
        ("match", "interpolation"),
    ),
    (
        "an area of 1024, of 0 to 1024",
        case([{"box": [0, 0, 32, 32]}], [([0, 0, 32, 32], 0.5)], area_range=(0, 1024)),
        ("areas", "no_truth", "interpolation"),
    ),
    (
        "an annotated area of 500 in a box of 10000, of 0 to 1024",
        case([{"box": [0, 0, 100, 100], "area": 500}], [([0, 0, 100, 100], 0.5)], area_range=(0, 1024)),
        ("area", "no_truth", "interpolation"),
    ),
    (
        "a detection inside a crowd, and a better one of a truth",
        case([{"box": [0, 0, 40, 10], "crowd": 1}, {"box": FAR}], [(A, 0.75), (FAR, 0.5)]),
        ("crowd", "interpolation"),
    ),
    (
        "only a crowd",
        case([{"box": A, "crowd": 1}], [(A, 0.5)]),
        ("crowd", "no_truth", "interpolation"),
    ),
    (
        "two truths, one to be ignored, the other found",
        case([{"box": A, "ignore": 1}, {"box": FAR}], [(FAR, 0.5)]),
        ("ignore", "interpolation"),
    ),
    *(
        (
            f"equal scores: {what}",
            case([{"box": A, "image": truth}], [(A, 0.5, first), (A, 0.5, 1 - first)]),
            ("score_ties", "interpolation"),
        )
        for what, truth, first in (
            ("a miss in image 0 behind a hit in image 1", 1, 1),
            ("a miss in image 0 before a hit in image 1", 1, 0),
            ("a hit in image 0 before a miss in image 1", 0, 0),
        )
    ),
    (
        "one detection of each of two classes in one image, and room for one",
        case([{"box": A}, {"box": A, "label": 1}], [(A, 0.75), (A, 0.5, 0, 1)], limit=1, classes=2),
        ("limit_per", "interpolation"),
    ),
    (
        "IoU 9/11 at ten thresholds",
        case([{"box": A}], [([1, 0, 11, 10], 0.5)], thresholds=ALL_TEN),
        ("interpolation",),
    ),
)

COCO_AP = Operator(
    "coco_ap",
    "coco_ap(truth_images, truth_labels, truth_boxes, truth_area, truth_crowd, truth_ignore, truth_ids, images, "
    "labels, boxes, scores, thresholds, area_range, limit, classes): T truths, D detections to the AP of each class",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    boxes=("truth_boxes", "boxes"),
    units=units,
)
