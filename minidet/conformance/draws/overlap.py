"""Two lists of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from ..operators import Dialect
from .draw import Draw, some_boxes


@st.composite
def of_iou(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Two lists of boxes."""
    return {name: draw(some_boxes(3)) for name in ("a", "b")}


DRAWS: Mapping[str, Draw] = {"iou": of_iou}
