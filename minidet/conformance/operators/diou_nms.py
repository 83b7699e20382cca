"""``diou_nms(boxes, scores, threshold)``: greedy, by IoU less a share for the distance of the centres."""

from __future__ import annotations

from fractions import Fraction

from .. import exact, margins
from . import greedy
from .nms import A, B, boxes_of
from .operator import Answer, Arrays, Dialect, Inputs, Operator, Vector


def share(a: exact.Box, b: exact.Box, *, pixel: int = 0) -> Fraction:
    """d^2 / c^2: of the centres' distance and the diagonal of the smallest box around both; 0 where that is a point."""
    apart = [Fraction(a[k] + a[k + 2] - b[k] - b[k + 2]) / 2 for k in (0, 1)]
    sides = [max(max(a[k + 2], b[k + 2]) - min(a[k], b[k]) + pixel, 0) for k in (0, 1)]
    diagonal = sides[0] ** 2 + sides[1] ** 2
    return (apart[0] ** 2 + apart[1] ** 2) / Fraction(diagonal) if diagonal else Fraction(0)


def _case(inputs: Inputs, dialect: Dialect) -> greedy.Case:
    rows, dtype = inputs["boxes"], inputs["boxes"].dtype
    boxes, threshold = exact.boxes(rows), Fraction(float(dtype.type(inputs["threshold"])))
    pixel, beta = int(dialect["width"] == "inclusive"), float(dialect["exponent"])

    def parts(k: int, i: int) -> tuple[Fraction, Fraction]:
        inter, union = exact.parts(boxes[k], boxes[i], width=dialect["width"], inverted="empty")
        return Fraction(exact.quotient(inter, union, empty="zero")), share(boxes[k], boxes[i], pixel=pixel)

    def value(iou: Fraction, away: Fraction) -> Fraction:
        return iou - (away if beta == 1 else Fraction(float(away) ** beta))

    def drops(k: int, i: int) -> bool:
        found = value(*parts(k, i))
        return found > threshold if dialect["compare"] == "strict" else found >= threshold

    def unsure(k: int, i: int) -> bool:
        a, b = boxes[k], boxes[i]
        iou, away = parts(k, i)
        found = value(iou, away)
        simple = beta == 1 or away == 0
        if simple and margins.whole(a, b, dtype) and all(margins.exactly(v, dtype) for v in (iou, away, found)):
            return False  # no step of it is rounded
        return abs(float(found - threshold)) <= margins.of_diou(a, b, dtype, pixel=pixel, beta=beta)

    return greedy.Case(
        greedy.levels(inputs["scores"].tolist(), dialect), drops, unsure, dialect["output_order"] == "index"
    )


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices, int64."""
    return greedy.answer(_case(inputs, dialect))


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Is it right for another order of equal scores, or within the margin of rounding?"""
    return _case(inputs, dialect).judge(found)


DIOU_NMS = Operator(
    "diou_nms",
    "diou_nms(boxes, scores, threshold): (n, 4), (n,) and a number to the indices that stay",
    reference,
    (
        Vector("apart, the better one behind", boxes_of([A, B], [0.5, 0.75], 0.5), ("output_order",)),
        Vector("three equal boxes and scores", boxes_of([A, A, A], [0.5] * 3, 0.5), ("ties",)),
        Vector(
            "IoU 3/5, centres 1 apart",
            boxes_of([[0, 0, 4, 1], [1, 0, 5, 1]], [0.75, 0.5], 0.5),
            ("exponent", "width"),
        ),
        Vector(
            "IoU 81/119, with + 1 100/142",
            boxes_of([A, [1, 1, 11, 11]], [0.75, 0.5], 0.685),
            ("exponent", "width"),
        ),
        Vector(
            "one within the other, IoU 1/4 at 0.25",
            boxes_of([[0, 0, 4, 4], [1, 1, 3, 3]], [0.75, 0.5], 0.25),
            ("compare", "width"),
        ),
        Vector(
            "one within the other, with + 1 1/4 at 0.25",
            boxes_of([[0, 0, 7, 7], [2, 2, 5, 5]], [0.75, 0.5], 0.25),
            ("compare", "width"),
        ),
    ),
    boxes=("boxes",),
    exact=True,
    legal=legal,
)
