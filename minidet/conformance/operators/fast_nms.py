"""``fast_nms(boxes, scores, threshold)``: the boxes that no better one overlaps too much, dropped or not."""

from __future__ import annotations

from dataclasses import replace

from .. import exact
from . import greedy
from .nms import TELLING, A, B, boxes_of, case_of, of_iou
from .operator import Answer, Arrays, Dialect, Inputs, Operator, Vector

#: What nms has conventions for and this has not.
SETTLED = {
    "compare_form": "quotient", "sorting": "any", "empty": "keep", "inverted": "empty", "nan_scores": "last"
}  # fmt: skip


def _case(inputs: Inputs, dialect: Dialect) -> greedy.Case:
    rows, scores = inputs["boxes"], inputs["scores"].tolist()
    case = case_of(exact.boxes(rows), scores, float(inputs["threshold"]), {**SETTLED, **dialect}, rows.dtype)
    return replace(case, chains=True)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices, int64."""
    return greedy.answer(_case(inputs, dialect))


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Is it right for another order of equal scores, or within the margin of rounding?"""
    return _case(inputs, dialect).judge(found)


_HERE = ("compare", "compare_dtype", "width")
FAST_NMS = Operator(
    "fast_nms",
    "fast_nms(boxes, scores, threshold): (n, 4), (n,) and a number to the indices that stay",
    reference,
    (
        Vector("apart, the better one behind", boxes_of([A, B], [0.5, 0.75], 0.5), ("output_order",)),
        Vector("three equal boxes and scores", boxes_of([A, A, A], [0.5] * 3, 0.5), ("ties",)),
        *(
            Vector(name, inputs, tuple(one for one in tells if one in _HERE))
            for name, inputs, tells in TELLING
            if name.startswith("IoU") and "whole pixels" not in name
        ),
        Vector("IoU 1/2 of whole pixels at 0.5", boxes_of(of_iou(1, 2, pixel=1), [0.75, 0.5], 0.5), _HERE),
    ),
    boxes=("boxes",),
    exact=True,
    legal=legal,
)
