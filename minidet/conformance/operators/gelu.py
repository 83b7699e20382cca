"""``gelu(x)``: x times the normal distribution function, or one of its approximations."""

from __future__ import annotations

import math

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import each, logistic, plain, slack, values, vanishes


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Half of x (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf."""
    x, tanh, lost = plain(inputs), dialect["form"] == "tanh", dialect["tail"] == "lost"

    def one(v: float) -> float:
        if math.isinf(v):
            if dialect["infinity"] == "nan" or (dialect["infinity"] == "nan_below" and v < 0):
                return math.nan
            return max(v, 0.0)
        u = math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)
        if lost and v < 0 and vanishes(math.tanh(u) if tanh else math.erf(v / math.sqrt(2)), x.dtype.type):
            return 0.0
        return v * (logistic(2 * u) if tanh else math.erfc(-v / math.sqrt(2)) / 2)

    return each(one, x)


def units(inputs: Inputs) -> np.ndarray:
    """Of the result, and of x where it is above -5.5, below which a sum with 1 loses the result in float32."""
    x = plain(inputs)
    exact = np.asarray(reference(inputs, {"form": "erf", "tail": "kept", "infinity": "limits"}))
    return slack(np.where(x < -5.5, -np.inf, x).astype(x.dtype), exact)


GELU = Operator(
    "gelu",
    "gelu(x): numbers of any shape to as many",
    reference,
    (
        Vector("-2, -1, 1 and 2", {"x": values(-2, -1, 1, 2)}, ("form",)),
        Vector("-6, where float32 loses erf(x) beside 1", {"x": values(-6)}, ("tail", "form")),
        Vector("-9, where float64 does", {"x": values(-9)}, ("tail", "form")),
        Vector("both infinities", {"x": values(-math.inf, math.inf)}, ("infinity",)),
    ),
    units=units,
)
