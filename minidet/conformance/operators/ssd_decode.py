"""``ssd_decode(deltas, priors, variances)``: boxes from differences, as SSD predicts them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .coding import LARGEST, centred, decode_units, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector
from .ssd_encode import four, rows


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each difference added to the prior in its row, in float64; corners x1 y1 x2 y2."""
    deltas, priors = float64(inputs["deltas"]), float64(inputs["priors"])
    if dialect["variances"] == "multiplied":
        deltas = deltas * four(inputs["variances"])
    middle, own = centred(priors)
    if dialect["code"] == "centre_size":
        powers = np.minimum(deltas[:, 2:], LARGEST) if dialect["clamp"] == "log_62.5" else deltas[:, 2:]
        centre, half = deltas[:, :2] * own + middle, np.exp(powers) * own / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
    elif dialect["code"] == "corner":
        boxes = priors + deltas
    else:
        boxes = priors + deltas * np.tile(own, 2)
    return boxes.clip(0, 1) if dialect["clip"] == "unit" else boxes


def units(inputs: Inputs) -> Units:
    """Of a prior's corner, a shift and an exponential, with variances and without."""
    deltas = float64(inputs["deltas"])
    return decode_units(deltas, inputs["priors"], (deltas * four(inputs["variances"]), deltas))


def _call(deltas: np.ndarray, prior: list[float], variances: tuple[float, float]) -> dict[str, Any]:
    return {"deltas": deltas, "priors": rows(prior), "variances": np.array(variances)}


INSIDE = [0.25, 0.375, 0.5, 0.875]
CUT = ("code", "variances", "clip")

SSD_DECODE = Operator(
    "ssd_decode",
    "ssd_decode(deltas, priors, variances): differences (n, 4), priors (n, 4) and two numbers to boxes (n, 4)",
    reference,
    (
        Vector("a small step", _call(rows([0.5, -0.25, 0.25, -0.5]), INSIDE, (0.5, 0.25)), ("code", "variances")),
        Vector(
            "the variances of SSD", _call(rows([1, -0.5, 0.5, -1]), INSIDE, (0.1, 0.2)), ("code", "variances", "clip")
        ),
        Vector("out on the left", _call(rows([-2, 0, 0, 0]), INSIDE, (0.5, 0.25)), CUT),
        Vector("403 times as wide", _call(rows([0, 0, 6, 0]), INSIDE, (1.0, 1.0)), ("code", "clamp", "clip")),
    ),
    boxes=("priors",),
    units=units,
)
