"""Boxes, scores, at times classes, and a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from .draw import THRESHOLDS, Draw, some_boxes


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


DRAWS: Mapping[str, Draw] = {"nms": of_nms, "batched_nms": of_nms}
