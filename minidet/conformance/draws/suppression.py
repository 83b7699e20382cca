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
from .draw import THRESHOLDS, Draw, rows_of, some_boxes

#: What whole numbers are multiplied by, and then moved by.
SCALES = (1 / 3, 0.1, 1 / 640, 1000 / 7)
MOVES = (0.0, 0.0, 0.3, -1 / 3, 1000.1, 20000.7)


@st.composite
def close_boxes(draw: Any, most: int) -> np.ndarray:
    """Boxes of different sizes that overlap; or of one size, in steps, each of which overlaps the next."""
    if draw(st.booleans()):
        x, y, w, h = (st.integers(low, high) for low, high in ((0, 2), (0, 2), (3, 8), (3, 8)))
        corners = draw(st.lists(st.tuples(x, y, w, h), min_size=2, max_size=min(most, 3)))
        return rows_of([(x, y, x + w, y + h) for x, y, w, h in corners])
    width, step = draw(st.integers(3, 6)), draw(st.integers(1, 2))
    return rows_of([(n * step, 0, n * step + width, 1) for n in range(3)])


@st.composite
def boxes_anywhere(draw: Any, most: int, close: int) -> np.ndarray:
    """``some_boxes``, or ``close`` times in four such that are close; one in four of these scaled and moved."""
    rows = np.asarray(draw(some_boxes(most) if draw(st.integers(0, 3)) < 4 - close else close_boxes(most)))
    if draw(st.integers(0, 3)) < 3:
        return rows
    return rows * draw(st.sampled_from(SCALES)) + draw(st.sampled_from(MOVES))


@st.composite
def scored(draw: Any, dialect: Dialect, most: int = 6, close: int = 1) -> dict[str, np.ndarray]:
    """Boxes and scores of eighths, at times sorted, as a dialect without sorting always gets them."""
    boxes = draw(boxes_anywhere(most, close))
    scores = draw(st.lists(st.integers(1, 8), min_size=len(boxes), max_size=len(boxes)))
    if dialect.get("sorting") == "assumed" or draw(st.integers(0, 2)) == 2:
        scores.sort(reverse=True)
    return {"boxes": boxes, "scores": np.array(scores) / 8}


@st.composite
def of_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores of eighths, a threshold."""
    return {**draw(scored(dialect)), "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_diou_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes of different sizes more often: of equal ones, corners are as far apart as centres."""
    return {**draw(scored(dialect, close=3)), "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_batched_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """These with classes.

    At times the greatest coordinate is -1, with which a shift by the greatest plus 1 is none; at times each class is so
    far to the left of the one before that a shift by a constant brings them together.
    """
    given = draw(scored(dialect, close=2))
    count, greatest = len(given["boxes"]), draw(st.integers(0, 2))
    classes = np.array(draw(st.lists(st.integers(0, greatest), min_size=count, max_size=count)), np.int64)
    where = draw(st.integers(0, 4))
    if where == 3:
        given["boxes"] = given["boxes"] - given["boxes"].max() - 1
    if where == 4:
        given["boxes"] = given["boxes"] - (classes * draw(st.sampled_from((8, 4096, 7680))))[:, None]
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
    "diou_nms": of_diou_nms,
    "fast_nms": of_nms,
    "soft_nms": of_soft_nms,
    "matrix_nms": of_matrix_nms,
}
