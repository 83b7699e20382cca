"""Inputs to search with: small whole numbers, so that ties, touching edges, equal boxes and thresholds met exactly are
common, and every overlap is a quotient that each precision rounds as its convention says.

What a dialect refuses, or leaves to the order of the input, is not drawn: NaN, inverted boxes, and unsorted scores
where they are assumed to be sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .operators import Dialect

Draws = st.SearchStrategy[dict[str, Any]]
#: The first ones are drawn most often.
THRESHOLDS = (0.5, 0.5, 0.5, 0.3, 0.3, 0.6, 0.6, 0.7, 0.0, 0.25, 0.1, 0.4, 0.8, 0.9, 1.0)


@st.composite
def box(draw: Any) -> tuple[int, int, int, int]:
    """Of sides 0 to 10, corners from -6 on."""
    x, y, w, h = (draw(st.integers(low, high)) for low, high in ((-6, 8), (-6, 8), (0, 10), (0, 10)))
    return x, y, x + w, y + h


@st.composite
def some_boxes(draw: Any, most: int) -> np.ndarray:
    """(n, 4): anywhere; or equal ones side by side, where one overlaps a second, that a third, the first not the third.

    All are moved together, at times to below zero, where tricks with coordinates break.
    """
    if draw(st.booleans()):
        width = draw(st.integers(3, 6))
        starts = draw(st.lists(st.integers(0, width), min_size=min(3, most), max_size=most))
        boxes = [(x, 0, x + width, 1) for x in starts]
    else:
        boxes = draw(st.lists(box(), min_size=1, max_size=most))
    rows = _rows(boxes)
    return rows + draw(st.sampled_from([0, -rows.max(), -40, 25]))


def _rows(boxes: Sequence[tuple[int, ...]]) -> np.ndarray:
    return np.array(boxes, np.float64).reshape(-1, 4)


@st.composite
def of_iou(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Two lists of boxes."""
    return {name: draw(some_boxes(3)) for name in ("a", "b")}


@st.composite
def of_nms(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes, scores of eighths, a threshold."""
    boxes = draw(some_boxes(6))
    scores = draw(st.lists(st.integers(1, 8), min_size=len(boxes), max_size=len(boxes)))
    if dialect["sorting"] == "assumed":
        scores.sort(reverse=True)
    given = {"boxes": boxes, "scores": np.array(scores) / 8}
    if "batching" in dialect:
        given["classes"] = np.array(
            draw(st.lists(st.integers(0, 2), min_size=len(boxes), max_size=len(boxes))), np.int64
        )
    return {**given, "threshold": draw(st.sampled_from(THRESHOLDS))}


@st.composite
def of_roi_align(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps of small whole numbers, regions of quarters, some outside."""
    c, h, w = (draw(st.integers(1, high)) for high in (2, 5, 5))
    values = draw(st.lists(st.integers(-4, 4), min_size=2 * c * h * w, max_size=2 * c * h * w))
    rois = []
    for _ in range(draw(st.integers(1, 3))):
        x, y, a, b = (draw(st.integers(low, 20)) / 4 for low in (-8, -8, 0, 0))
        rois.append((draw(st.integers(0, 1)), x, y, x + a, y + b))
    return {
        "x": np.array(values, np.float64).reshape(2, c, h, w),
        "rois": np.array(rois, np.float64),
        "output_size": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "spatial_scale": draw(st.sampled_from([1.0, 0.5])),
        "sampling_ratio": draw(st.integers(1, 3)),
    }


@st.composite
def of_max_pool2d(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Small maps of small whole numbers."""
    size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, size // 2))
    h, w = (draw(st.integers(size, size + 4)) for _ in range(2))
    values = draw(st.lists(st.integers(-4, 4), min_size=h * w, max_size=h * w))
    x = np.array(values, np.float64).reshape(1, 1, h, w)
    return {"x": x, "size": size, "stride": stride, "padding": padding}


@st.composite
def of_resize(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Small maps of small whole numbers to small sizes."""
    h, w = (draw(st.integers(1, 5)) for _ in range(2))
    values = draw(st.lists(st.integers(-4, 4), min_size=h * w, max_size=h * w))
    x = np.array(values, np.float64).reshape(1, 1, h, w)
    return {"x": x, "size": (draw(st.integers(1, 7)), draw(st.integers(1, 7)))}


DRAWS: Mapping[str, Callable[[Dialect], Draws]] = {
    "iou": of_iou,
    "nms": of_nms,
    "batched_nms": of_nms,
    "roi_align": of_roi_align,
    "max_pool2d": of_max_pool2d,
    "resize": of_resize,
}
