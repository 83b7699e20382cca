"""``voc_ap(...)``: the average precision of one class, from the truths and the detections of all images.

In the order of the call: ``truth_images`` (T,) int64, the image of each truth, from 0; ``truth_boxes`` (T, 4);
``difficult`` (T,) int64, 1 for a truth that is; ``images`` (D,) int64, ``boxes`` (D, 4), ``scores`` (D,): the
detections; ``threshold`` of IoU.  The answer is a number.  Detections choose best score first.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact, ranked
from .coco_ap import NOTHING, apart, flags
from .operator import Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """AP, float64 without axes."""
    truths, found = exact.boxes(inputs["truth_boxes"]), exact.boxes(inputs["boxes"])
    difficult = [one and dialect["difficult"] == "ignore" for one in flags(inputs["difficult"])]
    none, count = [False] * len(truths), len(found)
    objects = ranked.Objects(
        inputs["truth_images"].tolist(), [0] * len(truths), none, difficult, none, inputs["images"].tolist(),
        [0] * count, inputs["scores"].tolist(), [False] * count,
    )  # fmt: skip

    def overlap(d: int, t: int, crowd: bool) -> tuple[Any, Any]:
        return exact.parts(found[d], truths[t], width=dialect["width"], inverted="empty")

    threshold = Fraction(float(inputs["threshold"]))
    (ap,) = ranked.average_precisions(objects, overlap, [threshold], 1, count + 1, {**dialect, "limit_per": "image"})
    return np.array(NOTHING[dialect["no_truth"]] if ap is None else ap, np.float64)


def units(inputs: Inputs) -> float:
    """A precision and a recall have a rounding each, and the sum has one for each of its terms."""
    return 2.0 * (len(inputs["scores"]) + 13)


def case(truths: Sequence[tuple[Any, ...]], found: Sequence[tuple[Any, ...]], threshold: float = 0.5) -> dict[str, Any]:
    """Inputs of a call.  A truth is box, and at times image and whether it is difficult; a detection is box, score,
    and at times image.
    """
    those = [(*one, *(0, 0)[: 3 - len(one)]) for one in truths]
    these = [one if len(one) == 3 else (*one, 0) for one in found]
    return {
        "truth_images": np.array([one[1] for one in those], np.int64),
        "truth_boxes": np.array([one[0] for one in those], np.float64).reshape(-1, 4),
        "difficult": np.array([one[2] for one in those], np.int64),
        "images": np.array([one[2] for one in these], np.int64),
        "boxes": np.array([one[0] for one in these], np.float64).reshape(-1, 4),
        "scores": np.array([one[1] for one in these], np.float64),
        "threshold": threshold,
    }


def k_of_n(k: int, n: int) -> dict[str, Any]:
    """The first k of n truths are found perfectly, and nothing else is."""
    return case([(box,) for box in apart(n)], [(box, 1 - i / 64) for i, box in enumerate(apart(k))])


A, B, FAR = [0, 0, 10, 10], [3, 0, 13, 10], [100, 0, 110, 10]
BOTH = ("interpolation", "recall_bins")
TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("3 of 10", k_of_n(3, 10), BOTH),
    ("1 of 4", k_of_n(1, 4), ("interpolation",)),
    ("no truth", case([], [(A, 0.5)]), ("no_truth",)),
    ("IoU 50/100", case([(A,)], [([0, 0, 10, 5], 0.5)]), ("compare", "width")),
    ("IoU 12/25, of whole pixels 20/36", case([([0, 0, 5, 5],)], [([0, 0, 4, 3], 0.5)]), ("width",)),
    (
        "two truths, both detections nearest to the first",
        case([(A,), (B,)], [(A, 0.75), ([1, 0, 11, 10], 0.5)]),
        ("match", "interpolation"),
    ),
    (
        "the first detection is as near to one truth as to the other, the second near to the first truth",
        case([(A,), ([4, 0, 14, 10],)], [([2, 0, 12, 10], 0.75), ([-2, 0, 8, 10], 0.5)]),
        ("tie", "interpolation"),
    ),
    (
        "a difficult truth that is found, and one that is not difficult, found after",
        case([(A, 0, 1), (FAR,), ([200, 0, 210, 10],)], [(A, 0.75), (FAR, 0.5)]),
        ("difficult", "interpolation"),
    ),
    ("only a difficult truth", case([(A, 0, 1)], [(A, 0.5)]), ("difficult", "no_truth")),
    *(
        (f"equal scores: {what}", case([(A, truth)], [(A, 0.5, first), (A, 0.5, 1 - first)]), ("score_ties",))
        for what, truth, first in (
            ("a miss in image 0 behind a hit in image 1", 1, 1),
            ("a miss in image 0 before a hit in image 1", 1, 0),
            ("a hit in image 0 before a miss in image 1", 0, 0),
        )
    ),
)

VOC_AP = Operator(
    "voc_ap",
    "voc_ap(truth_images, truth_boxes, difficult, images, boxes, scores, threshold): T truths, D detections to the AP",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    boxes=("truth_boxes", "boxes"),
    units=units,
)
