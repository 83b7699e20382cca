"""Resizing: a linear map along the rows and another along the columns.

    y[n, c, i, j] = sum_{a, b}  Wh[i, a] * Ww[j, b] * x[n, c, a, b]          Wh (oh, H), Ww (ow, W)

Conventions, by name.  Output i of m on an axis of n elements comes from coordinate

* ``"half_pixel"``: (i + 1/2) n/m - 1/2        (default for bilinear)
* ``"asymmetric"``: i n/m                      (default for nearest)
* ``"align_corners"``: i (n - 1)/(m - 1), and 0 for m = 1

where the scale n/m always follows from the two sizes.  A coordinate outside the input is moved to its border.
``"nearest"`` copies the element at that coordinate rounded: ``"floor"`` (default), ``"prefer_floor"`` (to the nearest,
halves down) or ``"prefer_ceil"`` (halves up).  ``"bilinear"`` weighs the two neighbours by distance; with
``antialias`` a triangle is stretched by n/m where the image shrinks.  Coordinates are exact rationals: no rounding
decides which element is nearest.

The gradient is the transpose of the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from .axis import COORDINATES, MODES, ROUNDINGS, nearest, resolve, weights

HERE = __name__


def _check_options(where: str, mode: str, coordinates: str | None, rounding: str, antialias: bool) -> None:
    for name, value, allowed in (
        ("mode", mode, MODES),
        ("coordinates", coordinates, (*COORDINATES, None)),
        ("rounding", rounding, ROUNDINGS),
    ):
        if value not in allowed:
            raise ValueError(f"{where}: {name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
    if mode == "bilinear" and rounding != "floor":
        raise ValueError(f"{where}: rounding {rounding!r} is for mode 'nearest'; bilinear rounds nothing")
    if antialias and (mode, resolve(mode, coordinates)) != ("bilinear", "half_pixel"):
        raise ValueError(f"{where}: antialias needs mode 'bilinear' with coordinates 'half_pixel'")


def _check_image(where: str, x: Array, name: str) -> None:
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")
    if x.ndim != 4:
        raise ValueError(f"{where}: {name} must have shape (N, C, H, W), not {x.shape}")
    if min(x.shape[2:]) < 1:
        raise ValueError(f"{where}: {name} has no pixels to resize: {x.shape}")


def _check(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> None:
    _check_image("resize", x, "x")
    _check_options("resize", mode, coordinates, rounding, antialias)
    if not isinstance(size, Sequence) or len(size) != 2 or not all(hasattr(v, "__index__") for v in size):
        raise ValueError(f"resize: size is (height, width), two integers, not {size!r}")
    if min(size) < 1:
        raise ValueError(f"resize: size must be at least 1 x 1, not {tuple(size)}")


def _check_grad(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> None:
    _check_image("resize_grad_x", g, "g")
    _check_options("resize_grad_x", mode, coordinates, rounding, antialias)
    if len(shape) != 4 or tuple(shape[:2]) != g.shape[:2] or min(shape[2:]) < 1:
        raise ValueError(f"resize_grad_x: shape is that of x, {(*g.shape[:2], 'H', 'W')}, not {tuple(shape)}")


def factor(n: int, m: int, mode: str, coordinates: str | None, rounding: str) -> int:
    """How often each of ``n`` elements is repeated, if that is all that happens on this axis; else 0."""
    if mode != "nearest" or m % n:
        return 0
    index = nearest(n, m, resolve(mode, coordinates), rounding)
    return m // n if np.array_equal(index, np.arange(m) // (m // n)) else 0


def _mode_is(
    wanted: str, mode: str = "nearest", coordinates: str | None = None, rounding: str = "floor", antialias: bool = False
) -> str | None:
    if mode != wanted:
        return f"takes mode {wanted!r}, not {mode!r}"
    return "takes no antialias" if antialias else None


def _nearest_only(x: Array, *, size: Sequence[int], **options: Any) -> str | None:
    return _mode_is("nearest", **options)


def _bilinear_only(x: Array, *, size: Sequence[int], **options: Any) -> str | None:
    return _mode_is("bilinear", **options)


def _repeats(
    small: Sequence[int],
    large: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> str | None:
    if all(factor(n, m, mode, coordinates, rounding) for n, m in zip(small, large, strict=True)):
        return None
    return f"repeats elements a whole number of times (nearest), not {mode} from {tuple(small)} to {tuple(large)}"


def _repeat_only(x: Array, *, size: Sequence[int], **options: Any) -> str | None:
    return _repeats(x.shape[2:], size, **options)


def _repeat_only_grad(g: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    return _repeats(shape[2:], g.shape[2:], **options)


@op(
    Impl("matmul", f"{HERE}.matmul:resize", arrays={"numpy", "cupy"}),
    Impl("two-tap", f"{HERE}.gather:two_tap", arrays={"numpy", "cupy"}, limits=_bilinear_only),
    Impl("gather", f"{HERE}.gather:gather", arrays={"numpy", "cupy"}, limits=_nearest_only),
    Impl("repeat", f"{HERE}.repeat:resize", arrays={"numpy", "cupy"}, limits=_repeat_only),
    check=_check,
)
def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """Resize ``x`` (N, C, H, W), float32 or float64, to ``size`` (height, width), in the dtype of ``x``.

    ``mode`` is ``"nearest"`` or ``"bilinear"``; ``coordinates``, ``rounding`` (nearest only) and ``antialias``
    (bilinear, half_pixel only) are described at the head of this room.  ``x`` should be finite: an implementation may
    multiply any element of a row or a column by zero.

    Raises ``ValueError`` for a wrong shape, size or option, ``TypeError`` for another dtype.
    """
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(x.shape[2:], size, strict=True))
    return (rows @ x.astype(np.float64) @ columns.T).astype(x.dtype)  # (oh, H) (N, C, H, W) (W, ow)


@op(
    Impl("matmul", f"{HERE}.matmul:resize_grad_x", arrays={"numpy", "cupy"}),
    Impl("repeat", f"{HERE}.repeat:resize_grad_x", arrays={"numpy", "cupy"}, limits=_repeat_only_grad),
    check=_check_grad,
)
def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """Send ``g`` (N, C, oh, ow) back to an input of ``shape`` (N, C, H, W): the transpose of ``resize``."""
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(shape[2:], g.shape[2:], strict=True))
    return (rows.T @ g.astype(np.float64) @ columns).astype(g.dtype)  # (H, oh) (N, C, oh, ow) (ow, W)
