"""The arguments of resizing: what is refused, in one line, and what each implementation does not take."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as whole
from typing import Any

import numpy as np

from ..arrays import Array, is_array
from .axis import COORDINATES, MODES, ROUNDINGS, nearest, resolve


def _image(where: str, name: str, x: Array) -> None:
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")
    if x.ndim != 4:
        raise ValueError(f"{where}: {name} must have shape (N, C, H, W), not {x.shape}")
    if min(x.shape[2:]) < 1:
        raise ValueError(f"{where}: {name} must have at least one pixel, not shape {x.shape}")


def _sizes(where: str, name: str, value: Any, layout: str) -> tuple[int, ...]:
    try:
        sizes = tuple(map(whole, value))
    except TypeError:
        raise TypeError(f"{where}: {name} must be integers {layout}, not {value!r}") from None
    if len(sizes) != layout.count(",") + 1 or min(sizes[-2:]) < 1:
        raise ValueError(f"{where}: {name} must be {layout}, of at least one pixel, not {sizes}")
    return sizes


def _options(where: str, mode: str, coordinates: str | None, rounding: str, antialias: bool) -> None:
    for name, value, allowed in (
        ("mode", mode, MODES),
        ("coordinates", coordinates, (*COORDINATES, None)),
        ("rounding", rounding, ROUNDINGS),
    ):
        if value not in allowed:
            raise ValueError(f"{where}: {name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
    if mode == "bilinear" and rounding != "floor":
        raise ValueError(f"{where}: rounding {rounding!r} is for mode 'nearest'; bilinear rounds no coordinate")
    if antialias and (mode, resolve(mode, coordinates)) != ("bilinear", "half_pixel"):
        raise ValueError(f"{where}: antialias needs mode 'bilinear' and coordinates 'half_pixel'")


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> None:
    """Check the arguments of ``resize``."""
    _image("resize", "x", x)
    _options("resize", mode, coordinates, rounding, antialias)
    _sizes("resize", "size", size, "(height, width)")


def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> None:
    """Check the arguments of ``resize_grad_x``."""
    _image("resize_grad_x", "g", g)
    _options("resize_grad_x", mode, coordinates, rounding, antialias)
    if _sizes("resize_grad_x", "shape", shape, "(N, C, H, W)")[:2] != g.shape[:2]:
        raise ValueError(f"resize_grad_x: g has shape {g.shape}, so shape must begin with {g.shape[:2]}, not {shape}")


def _factor(
    small: Sequence[int],
    large: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> str | None:
    if mode != "nearest":
        return f"takes mode 'nearest', not {mode!r}"
    for n, m in zip(small, large, strict=True):
        index = nearest(n, m, resolve(mode, coordinates), rounding)
        if m % n or not np.array_equal(index, np.arange(m) // (m // n)):
            return f"repeats every element equally often, not {n} elements for {m}"
    return None


def nearest_only(x: Array, *, size: Sequence[int], mode: str = "nearest", **options: Any) -> str | None:
    """Limit of ``gather``."""
    return None if mode == "nearest" else f"takes mode 'nearest', not {mode!r}"


def whole_factor(x: Array, *, size: Sequence[int], **options: Any) -> str | None:
    """Limit of ``repeat``: enlarging by a whole factor, so that every element is copied equally often."""
    return _factor(x.shape[2:], size, **options)


def whole_factor_grad(g: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    """Limit of ``repeat`` in the gradient."""
    return _factor(shape[2:], g.shape[2:], **options)
