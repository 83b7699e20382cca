"""``batched_nms(boxes, scores, classes, threshold)``: suppression within each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import exact
from . import greedy
from .nms import TELLING, boxes_of, case_of, refuses
from .operator import REFUSED, Answer, Arrays, Dialect, Inputs, Operator, Vector

#: torchvision's switch: beyond so many numbers (four a box) each class is treated by itself.
FEW = 4000
CONSTANT = {"offset_4096": 4096, "offset_7680": 7680}


def _case(inputs: Inputs, dialect: Dialect) -> greedy.Case | None:
    rows, threshold = inputs["boxes"], float(inputs["threshold"])
    boxes, scores, classes = exact.boxes(rows), inputs["scores"].tolist(), inputs["classes"].tolist()
    if refuses(boxes, scores, dialect):
        return None
    batching = dialect["batching"]
    if batching == "offset_if_few":
        batching = "offset" if rows.size <= FEW else "per_class"
    if batching == "per_class":
        return case_of(boxes, scores, threshold, dialect, rows.dtype, classes)
    step: exact.Number = 0
    if batching == "offset":
        step = max((v for box in boxes for v in box), default=0) + 1
    elif batching != "none":
        step = CONSTANT[batching]
    moved: list[exact.Box] = [
        (a + step * c, b + step * c, x + step * c, y + step * c) for (a, b, x, y), c in zip(boxes, classes, strict=True)
    ]
    return case_of(moved, scores, threshold, dialect, rows.dtype)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices of all classes together."""
    case = _case(inputs, dialect)
    return REFUSED if case is None else greedy.answer(case)


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """As for ``nms``; boxes that were moved apart are rounded where they are then."""
    case = _case(inputs, dialect)
    return "" if case is None else case.judge(found)


def _with(inputs: dict[str, Any], classes: list[int]) -> dict[str, Any]:
    order = ("boxes", "scores", "classes", "threshold")
    every = inputs | {"classes": np.array(classes, np.int64)}
    return {name: every[name] for name in order}


P, Q = [-10, -10, 0, 0], [10, 10, 20, 20]
FAR = [5000, 5000, 5010, 5010]


def _own() -> list[Vector]:
    few = ("batching", "width", "compare_form")
    less = [0.5 - n / 4096 for n in range(999)]  # no ties, which would be one more convention to tell
    many = boxes_of([P, P, *[[-50, -50, -40, -40]] * 999], [0.75, 0.625, *less], 0.5)
    return [
        Vector("equal boxes of two classes", _with(boxes_of([Q, Q], [0.75, 0.5], 0.5), [0, 1]), ("batching",)),
        Vector("the same left of zero", _with(boxes_of([P, P], [0.75, 0.5], 0.5), [0, 1]), ("batching",)),
        Vector(
            "the same among 999 others",
            _with(many, [0, 1, *[0] * 999]),
            ("batching",),
        ),
        Vector("4,096 apart", _with(boxes_of([[v + 4096 for v in Q], Q], [0.75, 0.5], 0.5), [0, 1]), few[:1]),
        Vector("7,680 apart", _with(boxes_of([[v + 7680 for v in Q], Q], [0.75, 0.5], 0.5), [0, 1]), few[:1]),
    ]


BATCHED_NMS = Operator(
    "batched_nms",
    "batched_nms(boxes, scores, classes, threshold): (n, 4), (n,), integers (n,) and a number to the indices that stay",
    reference,
    (
        *_own(),
        *(Vector(name, _with(inputs, [0] * len(inputs["scores"])), tells) for name, inputs, tells in TELLING),
    ),
    boxes=("boxes",),
    exact=True,
    legal=legal,
)
