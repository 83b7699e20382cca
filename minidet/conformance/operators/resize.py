"""``resize(x, size)``: an image on another grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from minidet_kernels.resampling import resize

from .operator import Answer, Dialect, Inputs, Operator, Vector

#: Names to the options of the kernels' definition.
OPTIONS: dict[str, dict[str, Any]] = {
    "nearest_floor": {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"},
    "nearest_exact": {"mode": "nearest", "coordinates": "half_pixel", "rounding": "prefer_ceil"},
    "nearest_prefer_floor": {"mode": "nearest", "coordinates": "half_pixel", "rounding": "prefer_floor"},
    "bilinear": {"mode": "bilinear", "coordinates": "half_pixel"},
    "bilinear_align_corners": {"mode": "bilinear", "coordinates": "align_corners"},
    "bilinear_asymmetric": {"mode": "bilinear", "coordinates": "asymmetric"},
    "bilinear_antialias": {"mode": "bilinear", "coordinates": "half_pixel", "antialias": True},
}


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kernels' definition, in float64; its coordinates are rational."""
    x = np.asarray(inputs["x"], np.float64)
    answer: np.ndarray = resize.definition(x, size=tuple(inputs["size"]), **OPTIONS[dialect["sampling"]])
    return answer


def _row(values: list[float], width: int) -> dict[str, Any]:
    return {"x": np.array(values, np.float64).reshape(1, 1, 1, -1), "size": (1, width)}


RESIZE = Operator(
    "resize",
    "resize(x, size): (N, C, H, W) and (height, width) to (N, C, height, width)",
    reference,
    (
        Vector("0 1 2 3 to 3", _row([0, 1, 2, 3], 3), ("sampling",)),
        Vector("0 10 to 5", _row([0, 10], 5), ("sampling",)),
        Vector("0 1 2 to 1", _row([0, 1, 2], 1), ("sampling",)),
    ),
)
