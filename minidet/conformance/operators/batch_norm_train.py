"""``batch_norm_train(x, running_mean, running_var, weight, bias, momentum)``: normalised by the batch's own
statistics, which the running ones follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector
from .statistics import channels, deviation, least

AXES = (0, 2, 3)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The result, and the running mean and variance after it."""
    x = np.asarray(inputs["x"], np.float64)
    n, mean = x.size // x.shape[1], x.mean(axis=AXES)
    if n == 1 and dialect["one_value"] == "refused":
        return REFUSED
    squares = ((x - channels(mean)) ** 2).sum(axis=AXES)
    with np.errstate(invalid="ignore"):
        normal, kept = (
            squares / np.float64(n if dialect[name] == "biased" else n - 1) for name in ("variance", "running_variance")
        )
    y = (x - channels(mean)) / deviation(channels(normal), dialect["epsilon"])
    y = y * channels(inputs["weight"]) + channels(inputs["bias"])
    m = float(inputs["momentum"])
    old, new = (1 - m, m) if dialect["momentum"] == "of_new" else (m, 1 - m)
    return y, *(
        old * np.asarray(inputs[name], np.float64) + new * batch
        for name, batch in (("running_mean", mean), ("running_var", kept))
    )


def units(inputs: Inputs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of n values for the mean, and of n squares of differences from it for the variance, in two passes."""
    x = np.asarray(inputs["x"], np.float64)
    n, most = x.size // x.shape[1] + 4, np.abs(x).max(axis=AXES)
    slopes = np.abs(np.asarray(inputs["weight"], np.float64)) / least(x.var(axis=AXES))
    mean, var = (np.abs(np.asarray(inputs[name], np.float64)) for name in ("running_mean", "running_var"))
    y = 6 * n * most * slopes + 2 * np.abs(np.asarray(inputs["bias"], np.float64))
    return channels(y), 2 * (n * most + mean), 4 * (n * most**2 + var)


def _call(values: list[float], mean: float, var: float, weight: float = 1, bias: float = 0) -> dict[str, Any]:
    x = np.array(values, np.float64).reshape(-1, 1, 1, 1)
    given = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    return {"x": x, **{name: np.array([float(value)]) for name, value in given.items()}, "momentum": 0.125}


ALL = ("epsilon", "variance", "running_variance", "momentum")

BATCH_NORM_TRAIN = Operator(
    "batch_norm_train",
    "batch_norm_train(x, running_mean, running_var, weight, bias, momentum): (N, C, H, W), four of (C,) and a number "
    "to (N, C, H, W) and the two of (C,) afterwards",
    reference,
    (
        Vector("1 and 3", _call([1, 3], 0, 1), ALL),
        Vector("four values of one channel", _call([0, 4, 4, 8], 8, 0, 2, 1), ALL),
        Vector("values that lie close", _call([0, 2**-9], 0, 1), ALL),
        Vector(
            "one value of each channel",
            _call([3], 1, 1),
            ("one_value", "variance", "running_variance", "momentum"),
        ),
    ),
    outputs=("y", "running_mean", "running_var"),
    units=units,
)
