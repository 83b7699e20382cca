"""``nms(boxes, scores, threshold)``: the indices of the boxes that stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import exact
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def keep(
    boxes: Sequence[exact.Box], scores: Sequence[float], threshold: float, dialect: Dialect, dtype: Any
) -> list[int] | None:
    """Greedy suppression in a dialect: indices, or None where the input is refused.

    A NaN score is refused or ranked by ``nan_scores``; the boxes are exact, ``dtype`` is what they came in.
    """
    if dialect["nan_scores"] == "refused" and any(map(math.isnan, scores)):
        return None
    if dialect["inverted"] == "refused" and any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in boxes):
        return None
    if dialect["sorting"] == "assumed":
        dropped = dialect["nan_scores"] == "dropped"
        ranked = [i for i, s in enumerate(scores) if not (dropped and math.isnan(s))]
    else:
        ranked = exact.order(scores, ties=dialect["ties"], nan=dialect["nan_scores"])
    kept: list[int] = []
    for i in ranked:
        for k in kept:
            inter, union = exact.parts(boxes[k], boxes[i], width=dialect["width"], inverted=dialect["inverted"])
            if exact.exceeds(
                inter,
                union,
                threshold,
                compare=dialect["compare"],
                precision=dialect["compare_dtype"],
                form=dialect["compare_form"],
                empty="one_and_below" if dialect["empty"] == "suppress" else "nan",
                dtype=dtype,
            ):
                break
        else:
            kept.append(i)
    return sorted(kept) if dialect["output_order"] == "index" else kept


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices, int64."""
    rows = inputs["boxes"]
    kept = keep(exact.boxes(rows), inputs["scores"].tolist(), float(inputs["threshold"]), dialect, rows.dtype)
    return REFUSED if kept is None else np.array(kept, np.int64)


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
)
