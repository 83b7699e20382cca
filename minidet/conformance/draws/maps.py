"""Small maps of small whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from .draw import Draw


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


DRAWS: Mapping[str, Draw] = {"max_pool2d": of_max_pool2d, "resize": of_resize}
