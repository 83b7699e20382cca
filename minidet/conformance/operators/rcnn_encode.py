"""``rcnn_encode(boxes, anchors, weights)``: boxes as differences from anchors, as Faster R-CNN learns them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .coding import centred, encode_units, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector
from .ssd_encode import rows


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each box against the anchor in its row, in float64."""
    pixel = float(dialect["width"] == "inclusive")
    centre, sides = centred(float64(inputs["boxes"]), pixel)
    middle, own = centred(float64(inputs["anchors"]), pixel)
    with np.errstate(divide="ignore"):
        code = np.concatenate([(centre - middle) / own, np.log(sides / own)], axis=1)
    weights = float64(inputs["weights"])
    return code * weights if dialect["weights"] == "multiplied" else code / weights


def units(inputs: Inputs) -> Units:
    """Of differences of coordinates, by a side and a weight."""
    weights = float64(inputs["weights"])
    return encode_units(inputs["boxes"], inputs["anchors"], np.maximum(weights, 1 / weights))


def _call(box: list[float], anchor: list[float], weights: list[float]) -> dict[str, Any]:
    return {"boxes": rows(box), "anchors": rows(anchor), "weights": np.array(weights, np.float64)}


RCNN_ENCODE = Operator(
    "rcnn_encode",
    "rcnn_encode(boxes, anchors, weights): boxes (n, 4), anchors (n, 4) and four numbers to differences (n, 4)",
    reference,
    (
        Vector("moved and twice as wide", _call([3, 5, 11, 9], [2, 4, 6, 12], [2, 2, 4, 4]), ("width", "weights")),
        Vector("weights of 1", _call([3, 5, 11, 9], [2, 4, 6, 12], [1, 1, 1, 1]), ("width",)),
        Vector("the weights of the head", _call([3, 5, 11, 9], [2, 4, 6, 12], [10, 10, 5, 5]), ("width", "weights")),
    ),
    boxes=("boxes", "anchors"),
    units=units,
)
