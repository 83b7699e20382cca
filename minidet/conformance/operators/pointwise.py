"""What the activations share: a function of each number by itself, in the precision that a dialect computes in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .operator import Inputs

#: Below it the rounding of 1 + exp(x) decides how much of the result is left; that is what ``tail`` is about.
TAIL = -12.0


def each(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """The function of every number, float64."""
    return np.array([function(v) for v in x.astype(np.float64).flat], np.float64).reshape(x.shape)


def exp(x: float) -> float:
    """With infinity where it is too large."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def vanishes(value: float, dtype: Any) -> bool:
    """Is ``1 + value`` rounded to 1, or to 0 for a value near -1, in ``dtype``?"""
    with np.errstate(over="ignore"):
        total = float(dtype(1) + dtype(value))
    return total in (0.0, 1.0)


def softplus(x: float) -> float:
    """log(1 + exp(x)) without loss."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)) without loss."""
    small = math.exp(-abs(x))
    return (small if x < 0 else 1.0) / (1.0 + small)


def slack(x: np.ndarray, y: np.ndarray, scale: Any = 1.0) -> np.ndarray:
    """Rounding in units: some of the result, and of its terms where x is not far below zero; times ``scale``.

    What is too small for a normal number of the dtype may be anything as small, 0 too.
    """
    info = np.finfo(x.dtype if x.dtype.kind == "f" else np.float64)
    with np.errstate(invalid="ignore"):
        terms = np.where((x > TAIL) & (np.abs(x) < np.inf), 1 + np.abs(x), 0.0)
        near = np.where(np.isfinite(y), np.abs(y), 0.0)
    slope = np.where(np.isfinite(scale), np.abs(scale), 0.0)
    return 16 * near + 4 * slope * terms + float(info.tiny / info.eps)


def values(*numbers: float) -> np.ndarray:
    """A vector of numbers."""
    return np.array(numbers, np.float64)


def with_ones(x: np.ndarray) -> dict[str, Any]:
    """Inputs of a gradient: of a result whose own gradient is 1 everywhere."""
    return {"g": np.ones(x.shape), "x": x}


def product(g: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The chain rule, float64."""
    with np.errstate(invalid="ignore"):
        return np.asarray(g, np.float64) * slope


def plain(inputs: Inputs) -> np.ndarray:
    """``x`` as it came."""
    return np.asarray(inputs["x"])
