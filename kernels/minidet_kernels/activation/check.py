"""The arguments of activations: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..arrays import Array, is_array, library


def _floats(where: str, name: str, x: Array) -> None:
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")


def _slope(where: str, slope: float) -> None:
    if not math.isfinite(slope):
        raise ValueError(f"{where}: slope must be finite, not {slope}")


def leaky_relu(x: Array, *, slope: float) -> None:
    """Check the arguments of ``leaky_relu``."""
    _floats("leaky_relu", "x", x)
    _slope("leaky_relu", slope)


def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> None:
    """Check the arguments of ``leaky_relu_grad``."""
    where = "leaky_relu_grad"
    _floats(where, "g", g)
    _floats(where, "x", x)
    _slope(where, slope)
    _alike(where, g, x)


def smooth(where: str) -> Callable[[Array], None]:
    """The check of an activation of ``x`` alone; it is of any floating dtype."""

    def check(x: Array) -> None:
        _any_floats(where, "x", x)

    return check


def smooth_grad(where: str) -> Callable[[Array, Array], None]:
    """The check of the gradient of such an activation."""

    def check(g: Array, x: Array) -> None:
        _any_floats(where, "g", g)
        _any_floats(where, "x", x)
        _alike(where, g, x)

    return check


def _any_floats(where: str, name: str, x: Array) -> None:
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.kind != "f":
        raise TypeError(f"{where}: {name} must be floating, not {x.dtype}; use {name}.astype(np.float32)")


def _alike(where: str, g: Array, x: Array) -> None:
    if library(g) != library(x):
        raise TypeError(f"{where}: g is on {library(g)} and x on {library(x)}; move them to one device")
    if (g.shape, g.dtype) != (x.shape, x.dtype):
        raise ValueError(f"{where}: g has shape {g.shape} and {g.dtype}, and x {x.shape} and {x.dtype}; both agree")
