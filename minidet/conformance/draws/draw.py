"""What all draws share: small whole numbers, so that ties, touching edges, equal boxes and thresholds met exactly are
common, and every overlap is a quotient that each precision rounds as its convention says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect

Draws = st.SearchStrategy[dict[str, Any]]
Draw = Callable[[Dialect], Draws]
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
    rows = rows_of(boxes)
    return rows + draw(st.sampled_from([0, -rows.max(), -40, 25]))


def rows_of(boxes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """(n, 4) float64."""
    return np.array(boxes, np.float64).reshape(-1, 4)


def whole_numbers(draw: Any, shape: tuple[int, ...], most: int = 4) -> np.ndarray:
    """An array of whole numbers from ``-most`` to ``most``, float64."""
    count = int(np.prod(shape))
    return np.array(draw(st.lists(st.integers(-most, most), min_size=count, max_size=count)), np.float64).reshape(shape)
