"""``relu_grad(g, x)``: the gradient of max(x, 0), of which programs have four forms that differ at 0."""

from __future__ import annotations

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import product, values, with_ones

AT_ZERO = {"zero": 0.0, "half": 0.5, "one": 1.0}


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """1 above zero, 0 below, times g."""
    x = np.asarray(inputs["x"], np.float64)
    return product(inputs["g"], np.where(x > 0, 1.0, np.where(x < 0, 0.0, AT_ZERO[dialect["at_zero"]])))


RELU_GRAD = Operator(
    "relu_grad",
    "relu_grad(g, x): the gradient of the result, and the input, to that of the input",
    reference,
    (Vector("at -1, 0 and 1", with_ones(values(-1, 0, 1)), ("at_zero",)),),
    units=lambda inputs: 0.0,
)
