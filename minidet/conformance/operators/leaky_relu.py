"""``leaky_relu(x)`` and ``leaky_relu_grad(g, x)``: x above zero, a small part of it below."""

from __future__ import annotations

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import product, values, with_ones


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """x, or slope x where x is not above zero."""
    x = np.asarray(inputs["x"], np.float64)
    return np.where(x > 0, x, x * float(dialect["slope"]))


def gradient(inputs: Inputs, dialect: Dialect) -> Answer:
    """1 or the slope, times g."""
    x, slope = np.asarray(inputs["x"], np.float64), float(dialect["slope"])
    at_zero = 1.0 if dialect["at_zero"] == "one" else slope
    return product(inputs["g"], np.where(x > 0, 1.0, np.where(x < 0, slope, at_zero)))


LEAKY_RELU = Operator(
    "leaky_relu",
    "leaky_relu(x): numbers of any shape to as many",
    reference,
    (Vector("-10, 0 and 10", {"x": values(-10, 0, 10)}, ("slope",)),),
    units=lambda inputs: 2 * np.abs(inputs["x"]),
)
LEAKY_RELU_GRAD = Operator(
    "leaky_relu_grad",
    "leaky_relu_grad(g, x): the gradient of the result, and the input, to that of the input",
    gradient,
    (
        Vector("at -10 and 10", with_ones(values(-10, 10)), ("slope",)),
        Vector("at 0", with_ones(values(0)), ("at_zero", "slope")),
    ),
    units=lambda inputs: 2 * np.abs(inputs["g"]),
)
