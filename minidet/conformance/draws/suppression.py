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
from .draw import THRESHOLDS, Draw, box, rows_of

#: What whole numbers are multiplied by, and then moved by; three times in four, nothing, or to below zero.
PLACES = (
    *((1.0, 0.0),) * 12, *((1.0, -40.0),) * 3, *((1.0, 25.0),) * 3,
    (1 / 3, 0.0), (0.1, 0.0), (1 / 640, 0.0), (1 / 3, 1000.1), (0.1, 20000.7), (1000 / 7, -1 / 3),
)  # fmt: skip
EIGHTHS = st.integers(1, 8)


def _rows(draw: Any, kind: str, most: int) -> list[tuple[tuple[int, int, int, int], int]]:
    """Boxes, each with its score in eighths; drawn together, so that a smaller example lacks both.

    "row": of one size, side by side, where one overlaps a second, that a third, the first not the third; "steps": so
    each one; "close": of different sizes, that overlap; "twins": two equal ones, at times empty; "anywhere".
    """
    if kind == "row":
        width = draw(st.integers(3, 6))
        row = draw(st.lists(st.tuples(st.integers(0, width), EIGHTHS), min_size=1, max_size=most))
        return [((x, 0, x + width, 1), score) for x, score in row]
    if kind == "steps":
        width, step = draw(st.integers(3, 6)), draw(st.integers(1, 2))
        return [((n * step, 0, n * step + width, 1), draw(EIGHTHS)) for n in range(3)]
    if kind == "close":
        x, y, w, h = (st.integers(low, high) for low, high in ((0, 2), (0, 2), (3, 8), (3, 8)))
        some = draw(st.lists(st.tuples(x, y, w, h, EIGHTHS), min_size=1, max_size=3))
        return [((x, y, x + w, y + h), score) for x, y, w, h, score in some]
    if kind == "twins":
        w, h = draw(st.integers(0, 1)), draw(st.integers(0, 1))
        return [((0, 0, w, h), draw(EIGHTHS)) for _ in range(2)]
    return draw(st.lists(st.tuples(box(), EIGHTHS), min_size=1, max_size=most))


@st.composite
def scored(
    draw: Any,
    dialect: Dialect,
    kinds: str = "row row row anywhere anywhere anywhere close close steps twins",
    most: int = 6,
) -> dict[str, np.ndarray]:
    """Boxes and scores of eighths, at times sorted, as a dialect without sorting always gets them."""
    some = _rows(draw, draw(st.sampled_from(kinds.split())), most)
    scores = [score for _, score in some]
    if draw(st.integers(0, 2)) == 2 or dialect.get("sorting") == "assumed":
        scores.sort(reverse=True)
    scale, move = draw(st.sampled_from(PLACES))
    return {"boxes": rows_of([corners for corners, _ in some]) * scale + move, "scores": np.array(scores) / 8}


@st.composite
def of_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores of eighths, a threshold."""
    return {**draw(scored(dialect)), "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_diou_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes of different sizes more often: of equal ones, corners are as far apart as centres."""
    return {**draw(scored(dialect, "row close close close steps")), "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_batched_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """These with classes.

    At times the greatest coordinate is -1, with which a shift by the greatest plus 1 is none; at times each class is so
    far to the left of the one before that a shift by a constant brings them together.
    """
    given = draw(scored(dialect, "row row anywhere close steps steps twins"))
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
        **draw(scored(dialect, most=4)),
        "threshold": draw(st.sampled_from(tuple(t for t in THRESHOLDS if t > 0))),
        "sigma": draw(st.sampled_from((0.5, 0.5, 1.0, 0.25))),
        "floor": draw(st.sampled_from((0.0625, 0.25, 0.25, 0.375, 0.001))),
    }


@st.composite
def of_matrix_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores and sigma."""
    return {**draw(scored(dialect, most=4)), "sigma": draw(st.sampled_from((0.5, 2.0, 1.0)))}


DRAWS: Mapping[str, Draw] = {
    "nms": of_nms,
    "batched_nms": of_batched_nms,
    "diou_nms": of_diou_nms,
    "fast_nms": of_nms,
    "soft_nms": of_soft_nms,
    "matrix_nms": of_matrix_nms,
}
