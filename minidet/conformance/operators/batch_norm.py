"""``batch_norm(x, running_mean, running_var, weight, bias)``: normalised by given statistics, as at inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .statistics import channels, deviation, least


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """(x - mean) / deviation * weight + bias."""
    x = np.asarray(inputs["x"], np.float64)
    mean, variance, weight, bias = (channels(inputs[n]) for n in ("running_mean", "running_var", "weight", "bias"))
    answer: np.ndarray = (x - mean) / deviation(variance, dialect["epsilon"]) * weight + bias
    return answer


def units(inputs: Inputs) -> np.ndarray:
    """Four roundings of x, of the mean, and of both times weight / deviation, as where they are folded."""
    mean, variance, weight, bias = (channels(inputs[n]) for n in ("running_mean", "running_var", "weight", "bias"))
    x = np.abs(np.asarray(inputs["x"], np.float64))
    return 4 * ((x + np.abs(mean)) * np.abs(weight) / least(variance) + np.abs(bias))


def _call(values: list[float], mean: float, var: float, weight: float = 1, bias: float = 0) -> dict[str, Any]:
    x = np.array(values, np.float64).reshape(1, 1, 1, -1)
    given = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    return {"x": x, **{name: np.array([float(value)]) for name, value in given.items()}}


BATCH_NORM = Operator(
    "batch_norm",
    "batch_norm(x, running_mean, running_var, weight, bias): (N, C, H, W) and four of (C,) to (N, C, H, W)",
    reference,
    (
        Vector("a variance of 0", _call([1, 2], 0, 0), ("epsilon",)),
        Vector("a variance of 1e-6", _call([1, -3], 1, 1e-6, 2, 5), ("epsilon",)),
    ),
    units=units,
)
