"""Two lists of boxes, and boxes with a target each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from ..operators import Dialect
from .draw import Draw, box, rows_of, some_boxes


@st.composite
def of_iou(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Two lists of boxes."""
    return {name: draw(some_boxes(3)) for name in ("a", "b")}


@st.composite
def of_loss(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes and a target for each, often with an edge in common."""
    pred = draw(some_boxes(2))
    target = rows_of([draw(box()) for _ in pred])
    for p, t in zip(pred, target, strict=True):
        if draw(st.booleans()):
            t += p[0] - t[0]  # the left edges coincide, both of the lower coordinate
        if draw(st.integers(0, 3)) == 0:
            t[:] = p
    return {"pred": pred, "target": target}


DRAWS: Mapping[str, Draw] = {
    "iou": of_iou,
    "giou": of_iou,
    "diou": of_iou,
    "ciou": of_iou,
    "giou_loss": of_loss,
    "diou_loss": of_loss,
    "ciou_loss": of_loss,
}
