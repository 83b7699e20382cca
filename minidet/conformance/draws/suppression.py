"""Boxes, scores, at times classes, and a threshold.

One input in four has boxes that are not of whole numbers, where rounding may decide, and the margins of the suite say
whether it did: thirds, tenths, shares of an image, and all of these far from the origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from .draw import THRESHOLDS, Draw, some_boxes

#: What whole numbers are multiplied by, and then moved by.
SCALES = (1 / 3, 0.1, 1 / 640, 1000 / 7)
MOVES = (0.0, 0.0, 0.3, -1 / 3, 1000.1, 20000.7)


@st.composite
def boxes_anywhere(draw: Any, most: int) -> np.ndarray:
    """``some_boxes``, three times in four; else these scaled and moved."""
    rows = np.asarray(draw(some_boxes(most)))
    if draw(st.integers(0, 3)) < 3:
        return rows
    return rows * draw(st.sampled_from(SCALES)) + draw(st.sampled_from(MOVES))


@st.composite
def scored(draw: Any, dialect: Dialect, most: int = 6) -> dict[str, np.ndarray]:
    """Boxes and scores of eighths, which a dialect without sorting gets sorted."""
    boxes = draw(boxes_anywhere(most))
    scores = draw(st.lists(st.integers(1, 8), min_size=len(boxes), max_size=len(boxes)))
    if dialect.get("sorting") == "assumed":
        scores.sort(reverse=True)
    return {"boxes": boxes, "scores": np.array(scores) / 8}


@st.composite
def of_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores of eighths, a threshold."""
    return {**draw(scored(dialect)), "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_batched_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """These with classes; at times the greatest coordinate is -1, with which a shift by the greatest plus 1 is none."""
    given = draw(scored(dialect))
    if draw(st.integers(0, 3)) == 0:
        given["boxes"] = given["boxes"] - given["boxes"].max() - 1
    count = len(given["boxes"])
    classes = np.array(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), np.int64)
    return {**given, "classes": classes, "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_soft_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores, a threshold above 0, sigma, and a score below which nothing is kept, at times one of those."""
    return {
        **draw(scored(dialect, 4)),
        "threshold": draw(st.sampled_from(tuple(t for t in THRESHOLDS if t > 0))),
        "sigma": draw(st.sampled_from((0.5, 0.5, 1.0, 0.25))),
        "floor": draw(st.sampled_from((0.0625, 0.25, 0.25, 0.375, 0.001))),
    }


@st.composite
def of_matrix_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores and sigma."""
    return {**draw(scored(dialect, 4)), "sigma": draw(st.sampled_from((0.5, 2.0, 1.0)))}


DRAWS: Mapping[str, Draw] = {
    "nms": of_nms,
    "batched_nms": of_batched_nms,
    "diou_nms": of_nms,
    "fast_nms": of_nms,
    "soft_nms": of_soft_nms,
    "matrix_nms": of_matrix_nms,
}
