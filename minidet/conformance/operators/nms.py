"""``nms(boxes, scores, threshold)``: the indices of the boxes that stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact, margins
from . import greedy
from .operator import REFUSED, Answer, Arrays, Dialect, Inputs, Operator, Vector


def refuses(boxes: Sequence[exact.Box], scores: Sequence[float], dialect: Dialect) -> bool:
    """Does the dialect take a NaN score, or an inverted box, for an error?"""
    if dialect["nan_scores"] == "refused" and any(map(math.isnan, scores)):
        return True
    return dialect["inverted"] == "refused" and any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in boxes)


def case_of(
    boxes: Sequence[exact.Box],
    scores: Sequence[float],
    threshold: float,
    dialect: Dialect,
    dtype: Any,
    classes: Sequence[int] | None = None,
) -> greedy.Case:
    """Who drops whom in a dialect: the boxes are exact, ``dtype`` is what they came in; of ``classes``, own ones."""
    precision, pixel = dialect["compare_dtype"], int(dialect["width"] == "inclusive")

    def drops(k: int, i: int) -> bool:
        if classes is not None and classes[k] != classes[i]:
            return False
        inter, union = exact.parts(boxes[k], boxes[i], width=dialect["width"], inverted=dialect["inverted"])
        return exact.exceeds(
            inter,
            union,
            threshold,
            compare=dialect["compare"],
            precision=precision,
            form=dialect["compare_form"],
            empty="one_and_below" if dialect["empty"] == "suppress" else "nan",
            dtype=dtype,
        )

    def unsure(k: int, i: int) -> bool:
        if (classes is not None and classes[k] != classes[i]) or margins.whole(boxes[k], boxes[i], dtype):
            return False
        inter, union = exact.parts(boxes[k], boxes[i], width=dialect["width"], inverted=dialect["inverted"])
        if union <= 0:
            return False
        margin = margins.of_iou(boxes[k], boxes[i], dtype, pixel=pixel, complement=precision == "complement")
        return abs(float(inter / union - Fraction(threshold))) <= margin

    return greedy.Case(greedy.levels(scores, dialect), drops, unsure, dialect["output_order"] == "index")


def _case(inputs: Inputs, dialect: Dialect) -> greedy.Case | None:
    rows, scores = inputs["boxes"], inputs["scores"].tolist()
    boxes = exact.boxes(rows)
    if refuses(boxes, scores, dialect):
        return None
    return case_of(boxes, scores, float(inputs["threshold"]), dialect, rows.dtype)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices, int64."""
    case = _case(inputs, dialect)
    return REFUSED if case is None else greedy.answer(case)


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Is it right for another order of equal scores, or within the margin of rounding?"""
    case = _case(inputs, dialect)
    return "" if case is None else case.judge(found)


def boxes_of(rows: Sequence[Sequence[float]], scores: Sequence[float], threshold: float) -> dict[str, Any]:
    """Inputs of a call."""
    array = np.array(rows, np.float64).reshape(-1, 4)
    return {"boxes": array, "scores": np.array(scores, np.float64), "threshold": threshold}


A, B = [0, 0, 10, 10], [20, 20, 30, 30]


def of_iou(inter: int, union: int, *, pixel: int = 0) -> list[list[float]]:
    """Two boxes in a row whose IoU is ``inter / union`` where a side of x1 to x2 has x2 - x1 + ``pixel`` elements.

    Where it has none more, the boxes for ``pixel`` 1 are empty.
    """
    return [[0, 0, union - pixel, 1 - pixel], [0, 0, inter - pixel, 1 - pixel]]


#: What each input is, and which conventions it tells.  Scores fall, but where their order is the question.
TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("equal boxes, the better one behind", boxes_of([A, A], [0.5, 0.75], 0.5), ("sorting",)),
    (
        "apart, the better one behind",
        boxes_of([A, B], [0.5, 0.75], 0.5),
        ("output_order", "sorting"),
    ),
    ("three equal boxes and scores", boxes_of([A, A, A], [0.5] * 3, 0.5), ("ties", "sorting")),
    ("IoU 81/119, with + 1 100/142", boxes_of([A, [1, 1, 11, 11]], [0.75, 0.5], 0.69), ("width",)),
    # the last five found by search: forms and precisions decide differently, in float32 and in float64; each
    # also for inclusive pixels
    *(
        (
            f"IoU {inter}/{union} at {threshold}{' of whole pixels' if pixel else ''}",
            boxes_of(of_iou(inter, union, pixel=pixel), [0.75, 0.5], threshold),
            ("compare", "compare_dtype", "compare_form", "width", "empty"),
        )
        for inter, union, threshold in (
            (1, 2, 0.5),
            (3, 5, 0.6),
            (6000001, 10000001, 0.6),
            (7, 10, 0.7),
            (6859997, 9799996, 0.7),
            (2160473, 3600788, 0.6),
            (2007939, 3346565, 0.6),
            (1722534, 2460763, 0.7),
            (55, 100, 0.55),
            (63, 90, 0.7),
        )
        for pixel in (0, 1)
    ),
    (
        "a negative union",
        boxes_of([[2, 0, 0, 2], [0, 0, 1, 2]], [0.75, 0.5], 0.5),
        ("compare_form", "inverted", "compare", "width", "empty", "compare_dtype"),
    ),
    (
        "a union of zero by a negative area",
        boxes_of([[2, 0, 0, 2], [0, 0, 2, 2]], [0.75, 0.5], 0.5),
        ("inverted", "empty", "compare_form", "compare", "width"),
    ),
    ("two equal points", boxes_of([[5, 5, 5, 5]] * 2, [0.75, 0.5], 0.5), ("empty", "width", "compare_form", "compare")),
    (
        "equal boxes, the first of score NaN",
        boxes_of([A, A], [math.nan, 0.75], 0.5),
        ("nan_scores", "sorting"),
    ),
    (
        "apart, the first of score NaN",
        boxes_of([A, B], [math.nan, 0.75], 0.5),
        ("nan_scores", "sorting", "output_order"),
    ),
)

NMS = Operator(
    "nms",
    "nms(boxes, scores, threshold): (n, 4), (n,) and a number to the indices that stay",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    boxes=("boxes",),
    exact=True,
    legal=legal,
)
