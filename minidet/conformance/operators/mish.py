"""``mish(x)`` and ``mish_grad(g, x)``: x tanh(log(1 + exp(x)))."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import each, exp, logistic, plain, product, slack, softplus, values, vanishes, with_ones


def inner(x: float, tail: str, dtype: Any) -> float:
    """log(1 + exp(x)), or 0 where the sum loses exp(x)."""
    return 0.0 if tail == "lost" and vanishes(exp(x), dtype) else softplus(x)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Number by number."""
    x = plain(inputs)

    def one(v: float) -> float:
        if v == -math.inf:
            return math.nan if dialect["infinity"] == "nan_below" else 0.0
        return v * math.tanh(inner(v, dialect["tail"], x.dtype.type))

    return each(one, x)


def gradient(inputs: Inputs, dialect: Dialect) -> Answer:
    """tanh(s) + x logistic(x) / cosh(s)^2, with s the softplus; 1 and 0 far out."""
    x = plain(inputs)

    def one(v: float) -> float:
        if math.isinf(v):
            return math.nan if dialect["infinity"] == "nan" else float(v > 0)
        s = inner(v, dialect["tail"], x.dtype.type)
        flat = math.cosh(s) if s < 300 else math.inf
        return math.tanh(s) + v * logistic(v) / flat / flat

    return product(inputs["g"], each(one, x))


def units(inputs: Inputs) -> np.ndarray:
    """Of the result, and of x above the tail."""
    return slack(plain(inputs), np.asarray(reference(inputs, {"tail": "kept", "infinity": "limits"})))


def units_of_gradient(inputs: Inputs) -> np.ndarray:
    """So too."""
    exact = np.asarray(gradient(inputs, {"tail": "kept", "infinity": "limits"}))
    return slack(plain(inputs), exact, np.asarray(inputs["g"], np.float64))


ENDS = values(-math.inf, math.inf)

MISH = Operator(
    "mish",
    "mish(x): numbers of any shape to as many",
    reference,
    (
        Vector("-17, where float32 loses exp(x) beside 1", {"x": values(-17, 2)}, ("tail",)),
        Vector("-40, where float64 does", {"x": values(-40, 2)}, ("tail",)),
        Vector("both infinities", {"x": ENDS}, ("infinity",)),
    ),
    units=units,
)
MISH_GRAD = Operator(
    "mish_grad",
    "mish_grad(g, x): the gradient of the result, and the input, to that of the input",
    gradient,
    (
        Vector("at -17", with_ones(values(-17, 2)), ("tail",)),
        Vector("at -40", with_ones(values(-40, 2)), ("tail",)),
        Vector("at both infinities", with_ones(ENDS), ("infinity",)),
    ),
    units=units_of_gradient,
)
