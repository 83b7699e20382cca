"""``rcnn_decode(deltas, anchors, weights, size)``: boxes from differences, as Faster R-CNN predicts them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .coding import LARGEST, centred, decode_units, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector
from .ssd_encode import rows


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each difference added to the anchor in its row, in float64; corners x1 y1 x2 y2."""
    deltas, weights = float64(inputs["deltas"]), float64(inputs["weights"])
    deltas = deltas / weights if dialect["weights"] == "divided" else deltas * weights
    pixel = float(dialect["width"] != "exclusive")
    middle, own = centred(float64(inputs["anchors"]), pixel)
    powers = deltas[:, 2:]
    if dialect["clamp"] != "none":
        powers = powers.clip(-LARGEST if dialect["clamp"] == "both" else -np.inf, LARGEST)
    centre, half = deltas[:, :2] * own + middle, np.exp(powers) * own / 2
    last = pixel if dialect["width"] == "inclusive" else 0.0
    boxes = np.concatenate([centre - half, centre + half - last], axis=1)
    if dialect["clip"] == "none":
        return boxes
    height, width = inputs["size"]
    less = int(dialect["clip"] == "pixels")
    return boxes.clip(0, np.array([width - less, height - less] * 2))


def units(inputs: Inputs) -> Units:
    """Of an anchor's corner, a shift and an exponential, with weights that divide and that multiply."""
    deltas, weights = float64(inputs["deltas"]), float64(inputs["weights"])
    return decode_units(deltas, inputs["anchors"], (deltas / weights, deltas * weights), 1.0)


def _call(deltas: list[float], weights: list[float], anchor: list[float] | None = None) -> dict[str, Any]:
    return {
        "deltas": rows(deltas),
        "anchors": rows(anchor or [40, 20, 47, 35]),
        "weights": np.array(weights, np.float64),
        "size": (64, 96),
    }


RCNN_DECODE = Operator(
    "rcnn_decode",
    "rcnn_decode(deltas, anchors, weights, size): (n, 4), anchors (n, 4), four numbers and (height, width) to (n, 4)",
    reference,
    (
        Vector("a small step", _call([0.5, -0.25, 0.25, -0.5], [2, 2, 4, 4]), ("width", "weights")),
        Vector("weights of 1", _call([0.5, -0.25, 0.25, -0.5], [1, 1, 1, 1]), ("width",)),
        Vector("403 times as wide", _call([0, 0, 6, 0], [1, 1, 1, 1]), ("width", "clamp", "clip")),
        Vector("a 403rd as wide", _call([0, 0, -6, 0], [1, 1, 1, 1]), ("width", "clamp")),
        Vector("out on the right", _call([0, 0, 0, 0], [1, 1, 1, 1], [80, 20, 100, 40]), ("width", "clip")),
    ),
    boxes=("anchors",),
    units=units,
)
