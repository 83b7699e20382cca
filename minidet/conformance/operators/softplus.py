"""``softplus(x)``: log(1 + exp(x))."""

from __future__ import annotations

import math

import numpy as np

from . import pointwise
from .operator import Answer, Dialect, Inputs, Operator, Vector
from .pointwise import each, exp, plain, slack, values, vanishes


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Number by number."""
    x, form = plain(inputs), dialect["form"]

    def one(v: float) -> float:
        if form == "clipped" and abs(v) > 20:
            return exp(v) if v < 0 else v
        if form in ("naive", "clipped"):
            if exp(v) > float(np.finfo(x.dtype).max):
                return math.inf
            if vanishes(exp(v), x.dtype.type):
                return 0.0
        return pointwise.softplus(v) if math.isfinite(v) else max(v, 0.0)

    return each(one, x)


def units(inputs: Inputs) -> np.ndarray:
    """Of the result, and of x above the tail."""
    return slack(plain(inputs), np.asarray(reference(inputs, {"form": "exact"})))


SOFTPLUS = Operator(
    "softplus",
    "softplus(x): numbers of any shape to as many",
    reference,
    (
        Vector("-17, where float32 loses exp(x) beside 1", {"x": values(-17)}, ("form",)),
        Vector("-25, below a threshold", {"x": values(-25)}, ("form",)),
        Vector("100, where exp(x) is too large for float32", {"x": values(100)}, ("form",)),
    ),
    units=units,
)
