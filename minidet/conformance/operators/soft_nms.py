"""``soft_nms(boxes, scores, threshold, sigma, floor)``: the best box lowers the scores of those that overlap it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact, margins
from .nms import A, B
from .operator import Answer, Arrays, Dialect, Inputs, Operator, Units, Vector

Factor = tuple[Fraction, float]  # what a score is multiplied by, and how far that may be off


@dataclass(frozen=True)
class Case:
    """``factors(k, i)``: what k may make of i's score, first what the dialect decides; more where rounding decides."""

    scores: Sequence[Fraction]
    floor: Fraction
    factors: Callable[[int, int], list[Factor]]
    dialect: Dialect
    dtype: Any

    def above(self, score: Fraction | float) -> bool:
        return score >= self.floor if self.dialect["at_floor"] == "kept" else score > self.floor

    def first(self, left: Sequence[int], scores: dict[int, Fraction]) -> int:
        """The best of those that are left; of equal ones the lowest, or the highest."""
        sign = 1 if self.dialect["ties"] == "highest" else -1
        return max(left, key=lambda i: (scores[i], sign * i))


def case_of(inputs: Inputs, dialect: Dialect) -> Case:
    """What decides in a dialect."""
    rows, dtype = inputs["boxes"], inputs["boxes"].dtype
    boxes, pixel = exact.boxes(rows), int(dialect["width"] == "inclusive")
    limit = Fraction(float(dtype.type(inputs["threshold"])))
    empty = "one_and_below" if dialect["empty"] == "one" else "zero"
    by = float(inputs["sigma"]) * (2 if dialect["spread"] == "two_sigma" else 1)

    def factors(k: int, i: int) -> list[Factor]:
        a, b = boxes[k], boxes[i]
        inter, union = exact.parts(a, b, width=dialect["width"], inverted="empty")
        iou = Fraction(exact.quotient(inter, union, empty=empty))
        certain = margins.whole(a, b, dtype) and margins.exactly(iou, dtype)
        off = 0.0 if certain else margins.of_iou(a, b, dtype, pixel=pixel, complement=True)
        if dialect["kernel"] == "gaussian":
            factor = math.exp(-(float(iou) ** 2) / by)
            return [(Fraction(factor), (2 * float(iou) / by * off + 2 * margins.eps(dtype)) * factor if iou else off)]
        lowered = (1 - iou, 0.0 if certain else off + margins.eps(dtype))
        kept = (Fraction(1), 0.0)
        above = iou > limit if dialect["compare"] == "strict" else iou >= limit
        one, other = (lowered, kept) if above else (kept, lowered)
        return [one, other] if not certain and abs(float(iou - limit)) <= off else [one]

    scores = [Fraction(s) for s in inputs["scores"].tolist()]
    floor = Fraction(float(inputs["scores"].dtype.type(inputs["floor"])))
    return Case(scores, floor, factors, dialect, inputs["scores"].dtype)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kept indices, int64, best lowered score first, and these scores, float64."""
    case = case_of(inputs, dialect)
    scores, left = dict(enumerate(case.scores)), list(range(len(case.scores)))
    kept: list[int] = []
    while left:
        best = case.first(left, scores)
        if not (case.above(scores[best]) or (dialect["top"] == "unchecked" and not kept)):
            break
        kept.append(best)
        left.remove(best)
        for i in left:
            scores[i] *= case.factors(best, i)[0][0]
    return np.array(kept, np.int64), np.array([float(scores[i]) for i in kept], np.float64)


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Is each box that was taken one that may be the best left, with a score that it may have, to the end?

    Each box has the scores that it may have, each with how far it may be off; what was taken first is followed.
    """
    case = case_of(inputs, dialect)
    indices, given = found if isinstance(found, tuple) and len(found) == 2 else (found, found)
    count = len(case.scores)
    if not isinstance(indices, np.ndarray) or not isinstance(given, np.ndarray) or indices.dtype.kind not in "iu":
        return ""
    if indices.ndim != 1 or given.shape != indices.shape or given.dtype.kind != "f":
        return ""
    may: dict[int, list[Factor]] = {i: [(case.scores[i], 0.0)] for i in range(count)}
    said = "unspecified"
    for step, (best, score) in enumerate(zip(indices.tolist(), given.tolist(), strict=True)):
        own = [one for one in may.pop(best, []) if abs(float(one[0]) - score) <= one[1]]
        if not own:
            return ""
        most, least = max(float(v) + off for v, off in own), min(float(v) - off for v, off in own)
        if not (case.above(most) or (step == 0 and dialect["top"] == "unchecked")):
            return ""
        for i, others in may.items():
            if min(float(v) - off for v, off in others) > most:
                return ""  # a better one was left
            tied = max(float(v) + off for v, off in others) >= least
            if tied and len(own) == len(others) == 1 and own[0][1] == others[0][1] == 0 and own[0][0] == others[0][0]:
                if dialect["ties"] != "any" and case.first((i, best), {i: own[0][0], best: own[0][0]}) != best:
                    return ""
            elif tied:
                said = "undecided"
            may[i] = [_product(v, off, f, case.dtype) for v, off in others for f in case.factors(best, i)][:64]
    for others in may.values():
        if case.above(min(float(v) - off for v, off in others)) and (len(indices) or dialect["top"] != "unchecked"):
            return ""
    return said


def _product(value: Fraction, off: float, factor: Factor, dtype: Any) -> Factor:
    by, by_off = factor
    product = value * by
    rounding = 0.0 if margins.exactly(product, dtype) else margins.eps(dtype) * float(product)
    return product, off * float(by) + by_off * float(value) + off * by_off + rounding


def units(inputs: Inputs) -> Units:
    """Each of at most n - 1 factors in 0..1 is off by the IoU's error times the steepest slope, and its own two steps.

    1 - IoU has the slope 1, exp(-IoU^2 / sigma) at most sqrt(2 / (e sigma)).
    """
    rows, scores = inputs["boxes"], inputs["scores"]
    boxes, count = exact.boxes(rows), len(rows)
    worst = max(
        (margins.of_iou(a, b, rows.dtype, pixel=1, complement=True) for k, a in enumerate(boxes) for b in boxes[:k]),
        default=0.0,
    )
    slope = max(1.0, math.sqrt(2 / (math.e * float(inputs["sigma"]))))
    most = float(np.abs(scores).max(initial=0))
    return 0.0, count * (slope * worst / margins.eps(rows.dtype) + 2) * most


def _of(
    rows: Sequence[Sequence[float]],
    scores: list[float],
    *,
    threshold: float = 0.5,
    sigma: float = 0.5,
    floor: float = 0.125,
) -> dict[str, Any]:
    return {
        "boxes": np.array(rows, np.float64), "scores": np.array(scores), "threshold": threshold, "sigma": sigma,
        "floor": floor,
    }  # fmt: skip


HALF = [0, 0, 10, 5]  # IoU 1/2 with A
VECTORS = (
    Vector("IoU 3/5", _of([[0, 0, 4, 1], [1, 0, 5, 1]], [0.75, 0.5]), ("kernel", "spread", "width")),
    Vector("IoU 1/2 at 0.5", _of([A, HALF], [0.75, 0.5]), ("kernel", "spread", "compare", "width")),
    Vector(
        "IoU 1/2 of whole pixels at 0.5",
        _of([[0, 0, 9, 9], [0, 0, 9, 4]], [0.75, 0.5]),
        ("kernel", "spread", "compare", "width"),
    ),
    Vector("two equal points", _of([[5, 5, 5, 5]] * 2, [0.75, 0.5]), ("empty", "width", "kernel", "spread")),
    Vector("apart, one at the floor", _of([A, B], [0.75, 0.5], floor=0.5), ("at_floor",)),
    Vector("apart, both below the floor", _of([A, B], [0.5, 0.25], floor=0.75), ("top",)),
    Vector("apart, of equal scores", _of([A, B, [40, 40, 50, 50]], [0.5] * 3), ("ties",)),
)
SOFT_NMS = Operator(
    "soft_nms",
    "soft_nms(boxes, scores, threshold, sigma, floor): (n, 4), (n,) and numbers to the indices that stay, their scores",
    reference,
    VECTORS,
    boxes=("boxes",),
    outputs=("indices", "scores"),
    units=units,
    legal=legal,
)
