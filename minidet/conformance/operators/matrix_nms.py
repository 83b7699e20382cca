"""``matrix_nms(boxes, scores, sigma)``: every score lowered once, by the overlaps with the better boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact, margins
from .nms import A
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector


def overlaps(boxes: list[exact.Box], *, width: str) -> list[list[Fraction]]:
    """IoU of each with each, 0 for 0/0."""
    return [
        [Fraction(exact.quotient(*exact.parts(a, b, width=width, inverted="empty"), empty="zero")) for b in boxes]
        for a in boxes
    ]


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The lowered scores, float64, in the order given."""
    scores, sigma = inputs["scores"].tolist(), float(inputs["sigma"])
    iou = overlaps(exact.boxes(inputs["boxes"]), width=dialect["width"])
    ranked = exact.order(scores, ties=dialect["ties"])
    power = sigma if dialect["sigma"] == "multiplies" else 1 / sigma
    worst: dict[int, Fraction] = {}  # of each box, the greatest overlap with a better one
    out = np.zeros(len(scores))
    for place, j in enumerate(ranked):
        better = ranked[:place]
        worst[j] = max((iou[i][j] for i in better), default=Fraction(0))
        factor = 1.0
        for i in better:
            if dialect["kernel"] == "gaussian":
                factor = min(factor, math.exp(-float(iou[i][j] ** 2 - worst[i] ** 2) * power))
            elif worst[i] < 1:
                factor = min(factor, float((1 - iou[i][j]) / (1 - worst[i])))
            elif dialect["full"] == "nan" and iou[i][j] == 1:
                factor = math.nan
                break
        out[j] = scores[j] * factor
    return out


def units(inputs: Inputs) -> Units:
    """Of each score: what the error e of an IoU comes to, and two steps for each of four operations.

    exp(-(m^2 - r^2) p) is at most 1 and its exponent off by 2 p (m + r) e; (1 - m) / (1 - r), at most 1, is off by
    2 e / (1 - r).
    """
    boxes, dtype, sigma = exact.boxes(inputs["boxes"]), inputs["boxes"].dtype, float(inputs["sigma"])
    off = max(
        (margins.of_iou(a, b, dtype, pixel=1) for k, a in enumerate(boxes) for b in boxes[:k]), default=0.0
    ) / margins.eps(dtype)
    below = [
        1 - float(v)
        for width in ("exclusive", "inclusive")
        for row in overlaps(boxes, width=width)
        for v in row
        if v < 1
    ]
    slope = max(4 * sigma, 4 / sigma, 2 / min(below, default=1.0))
    return np.abs(inputs["scores"]).astype(np.float64) * (slope * off + 8)


def _of(rows: Sequence[Sequence[float]], scores: list[float], *, sigma: float = 0.5) -> dict[str, Any]:
    return {"boxes": np.array(rows, np.float64), "scores": np.array(scores), "sigma": sigma}


#: The third overlaps the second, which the first lowers.
CHAIN = [[0, 0, 4, 1], [1, 0, 5, 1], [2, 0, 6, 1]]
_ALL = ("kernel", "sigma", "width")
MATRIX_NMS = Operator(
    "matrix_nms",
    "matrix_nms(boxes, scores, sigma): (n, 4), (n,) and a number to the lowered scores (n,)",
    reference,
    (
        Vector("IoU 3/5", _of(CHAIN[:2], [0.75, 0.5]), _ALL),
        Vector("a chain", _of(CHAIN, [0.75, 0.5, 0.25]), _ALL),
        Vector("equal scores", _of(CHAIN[:2], [0.5, 0.5], sigma=1.0), ("ties", "kernel", "width")),
        Vector("three equal boxes", _of([A, A, A], [0.75, 0.5, 0.25]), ("kernel", "sigma", "full")),
    ),
    boxes=("boxes",),
    units=units,
)
