"""``silu(x)`` and ``silu_grad(g, x)``: x / (1 + exp(-x)), also called swish."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import each, exp, logistic, plain, product, slack, values, with_ones


def share(x: float, tail: str, dtype: Any) -> float:
    """1 / (1 + exp(-x)), without loss or with exp(-x) too large for the dtype."""
    return 0.0 if tail == "lost" and exp(-x) > float(np.finfo(dtype).max) else logistic(x)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Number by number."""
    x = plain(inputs)

    def one(v: float) -> float:
        if v == -math.inf:
            return math.nan if dialect["infinity"] == "nan_below" else 0.0
        return v * share(v, dialect["tail"], x.dtype.type)

    return each(one, x)


def gradient(inputs: Inputs, dialect: Dialect) -> Answer:
    """Its slope s (1 + x (1 - s)), with s the logistic function; 1 and 0 far out."""
    x = plain(inputs)

    def one(v: float) -> float:
        if math.isinf(v):
            return math.nan if dialect["infinity"] == "nan" else float(v > 0)
        s = share(v, dialect["tail"], x.dtype.type)
        return s + v * s * logistic(-v)

    return product(inputs["g"], each(one, x))


def units(inputs: Inputs) -> np.ndarray:
    """Of the result, and of x above the tail."""
    return slack(plain(inputs), np.asarray(reference(inputs, {"tail": "kept", "infinity": "limits"})))


def units_of_gradient(inputs: Inputs) -> np.ndarray:
    """So too."""
    exact = np.asarray(gradient(inputs, {"tail": "kept", "infinity": "limits"}))
    return slack(plain(inputs), exact, np.asarray(inputs["g"], np.float64))


ENDS = values(-math.inf, math.inf)

SILU = Operator(
    "silu",
    "silu(x): numbers of any shape to as many",
    reference,
    (
        Vector("-89, where exp(89) is too large for float32", {"x": values(-89, 2)}, ("tail",)),
        Vector("-710, where exp(710) is too large for float64", {"x": values(-710, 2)}, ("tail",)),
        Vector("both infinities", {"x": ENDS}, ("infinity",)),
    ),
    units=units,
)
SILU_GRAD = Operator(
    "silu_grad",
    "silu_grad(g, x): the gradient of the result, and the input, to that of the input",
    gradient,
    (
        Vector("at -89", with_ones(values(-89, 2)), ("tail",)),
        Vector("at -710", with_ones(values(-710, 2)), ("tail",)),
        Vector("at both infinities", with_ones(ENDS), ("infinity",)),
    ),
    units=units_of_gradient,
)
