"""Maps and the regions on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from .draw import Draw


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


DRAWS: Mapping[str, Draw] = {"roi_align": of_roi_align}
