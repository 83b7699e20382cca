"""``match(anchors, truths, high, low)``: which anchor or proposal answers for which truth in Faster R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .matching import best, limit, of_iou, overlaps
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector

Boxes = Sequence[Sequence[float]]
#: What an anchor is that answers for no truth.
BELOW, BETWEEN = -1, -2


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """For each anchor the index of its truth, -1 below ``low``, -2 from there to ``high``; int64."""
    anchors, truths = inputs["anchors"], inputs["truths"]
    if not len(truths):
        return REFUSED if dialect["no_truths"] == "refused" else np.full(len(anchors), BELOW, np.int64)
    table = overlaps(truths, anchors, width=dialect["width"])
    high, low = (limit(inputs[name], anchors.dtype, dialect["compare_dtype"]) for name in ("high", "low"))
    own, found = [], []
    for column in zip(*table, strict=True):
        one = best(column, dialect["ties"])
        most = column[one]
        reached = most >= high if dialect["compare"] == "inclusive" else most > high
        own.append(one)
        found.append(one if reached else BELOW if most < low else BETWEEN)
    asking = [t for t, row in enumerate(table) if dialect["untouched"] == "all" or max(row) > 0]
    for truth in asking[::-1] if dialect["low_quality"] == "one_first" else asking:
        near = [k for k, overlap in enumerate(table[truth]) if overlap == max(table[truth])]
        if dialect["low_quality"] in ("one_first", "one_last"):
            near = near[:1]
        elif dialect["low_quality"] == "none":
            near = []
        for k in near:
            found[k] = own[k] if dialect["low_quality"] == "ties" else truth
    return np.array(found, np.int64)


def call(anchors: Boxes, truths: Boxes, high: float, low: float) -> dict[str, Any]:
    """Inputs of a call."""
    return {
        "anchors": np.array(anchors, np.float64).reshape(-1, 4),
        "truths": np.array(truths, np.float64).reshape(-1, 4),
        "high": high,
        "low": low,
    }


#: Two that do not meet; half of A, and three quarters of that half.
A, FAR = [0, 0, 8, 4], [100, 100, 108, 104]
HALF, MOST = [0, 0, 4, 4], [0, 0, 4, 3]


def _at(inter: int, union: int, high: float, low: float, pixel: int, *tells: str) -> Vector:
    """One anchor with an overlap of a threshold, and another that is the truth's best."""
    one, truth = of_iou(inter, union, pixel=pixel)
    name = f"IoU {inter}/{union}{' of whole pixels' if pixel else ''}, from {high} on and below {low}"
    return Vector(name, call([one, truth], [truth], high, low), ("width", *tells))


MATCH = Operator(
    "match",
    "match(anchors, truths, high, low): (n, 4), (t, 4) and two numbers to (n,), a truth's index, -1 below, -2 between",
    reference,
    (
        *(
            vector
            for pixel in (0, 1)
            for vector in (
                _at(2, 4, 0.5, 0.25, pixel, "compare"),
                _at(3, 5, 0.6, 0.3, pixel, "compare", "compare_dtype"),
                _at(7, 10, 0.7, 0.3, pixel, "compare", "compare_dtype"),
                _at(7, 10, 0.9, 0.7, pixel, "compare_dtype"),
            )
        ),
        Vector("two equal truths", call([A], [A, A], 0.5, 0.25), ("ties", "low_quality")),
        Vector("two anchors that share a truth", call([HALF, [4, 0, 8, 4]], [A], 0.75, 0.25), ("low_quality",)),
        Vector("two truths with one best anchor", call([HALF], [A, MOST], 0.875, 0.25), ("low_quality",)),
        Vector("the same, the other way round", call([HALF], [MOST, A], 0.875, 0.25), ("low_quality",)),
        Vector(
            "a truth that nothing touches",
            call([A, HALF], [FAR, A], 0.75, 0.125),
            ("untouched", "low_quality"),
        ),
        Vector("no truths", call([A, HALF], [], 0.5, 0.25), ("no_truths",)),
    ),
    boxes=("anchors", "truths"),
    exact=True,
)
