"""``ssd_encode(boxes, priors, variances)``: boxes as differences from priors, as SSD learns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .coding import centred, encode_units, float64
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Units, Vector


def four(variances: Any) -> np.ndarray:
    """The variances of centres and of sides, one for each of the four numbers."""
    return np.repeat(float64(variances), 2)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Each box against the prior in its row, in float64."""
    boxes, priors = float64(inputs["boxes"]), float64(inputs["priors"])
    centre, sides = centred(boxes)
    middle, own = centred(priors)
    if dialect["code"] == "centre_size":
        if dialect["empty"] == "refused" and (sides <= 0).any():
            return REFUSED
        with np.errstate(divide="ignore", invalid="ignore"):
            code = np.concatenate([(centre - middle) / own, np.log(sides / own)], axis=1)
    else:
        code = boxes - priors
        if dialect["code"] == "corner_size":
            code = code / np.tile(own, 2)
    return code if dialect["variances"] == "ignored" else code / four(inputs["variances"])


def units(inputs: Inputs) -> Units:
    """Of differences of coordinates, by a side and a variance."""
    return encode_units(inputs["boxes"], inputs["priors"], np.maximum(1 / four(inputs["variances"]), 1))


def rows(*boxes: Sequence[float]) -> np.ndarray:
    """Boxes as an array (n, 4)."""
    return np.array(boxes, np.float64)


def _call(boxes: np.ndarray, priors: np.ndarray, variances: tuple[float, float]) -> dict[str, Any]:
    return {"boxes": boxes, "priors": priors, "variances": np.array(variances)}


PRIOR = [2, 4, 6, 12]

SSD_ENCODE = Operator(
    "ssd_encode",
    "ssd_encode(boxes, priors, variances): boxes (n, 4), priors (n, 4) and two numbers to differences (n, 4)",
    reference,
    (
        Vector(
            "moved and twice as wide",
            _call(rows([3, 5, 11, 9]), rows(PRIOR), (0.125, 0.25)),
            ("code", "variances"),
        ),
        Vector("the variances of SSD", _call(rows([3, 5, 11, 9]), rows(PRIOR), (0.1, 0.2)), ("code", "variances")),
        Vector(
            "a box without width",
            _call(rows([3, 4, 3, 12]), rows(PRIOR), (0.125, 0.25)),
            ("code", "variances", "empty"),
        ),
    ),
    boxes=("boxes", "priors"),
    units=units,
)
