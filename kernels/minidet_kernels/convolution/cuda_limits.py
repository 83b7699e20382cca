"""Which calls the float32 CUDA kernels take.  Apart from the launchers, because it is read without them."""

from __future__ import annotations

from math import prod
from typing import Any

from ..arrays import Array
from ..cuda import too_large
from .check import Shape
from .geometry import IntOrPair, out_sizes, pair

#: The most blocks of a grid along its second and its third axis.
MOST = 65535
#: A row that is outside of every map; so no padding may reach as far.
OUTSIDE = 1 << 30


def takes(x: Array, w: Array, *more: Array | None, groups: int = 1, **options: Any) -> str | None:
    """Why the float32 kernels refuse a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    return _takes(x, x.shape, w.shape, groups, **options)


def takes_grad_x(g: Array, w: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return _takes(g, shape, w.shape, groups, **options)


def takes_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``."""
    return _takes(x, x.shape, shape, groups, **options)


def _takes(
    given: Array,
    x: Shape,
    w: Shape,
    groups: int,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    **_: Any,
) -> str | None:
    if given.dtype.char != "f":
        return f"takes float32, not {given.dtype}"
    for what, count in (("images", x[0]), ("channels", x[1]), ("filters", w[0])):
        if count > MOST:
            return f"takes at most {MOST} {what}, not {count}"
    if max(n + 2 * p for n, p in zip(x[2:], pair(padding), strict=True)) >= OUTSIDE:
        return f"takes sides below 2^30 with their padding, not {x[2:]} with {padding}"
    places = prod(out_sizes(x, w, stride, padding, dilation))
    return too_large(x=prod(x), w=prod(w), y=x[0] * w[0] * places, places=x[0] * places, plane=x[2] * x[3])


#: The most taps along an axis that the register tiles keep a bit for.
TAPS = 15


def takes_taps(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why the register tiles refuse a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    return _taps(w.shape) or takes(x, w, *more, **options)


def takes_taps_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return _taps(w.shape) or takes_grad_x(g, w, shape=shape, **options)


def _taps(w: Shape) -> str | None:
    return None if max(w[2:]) <= TAPS else f"takes at most {TAPS} taps along an axis, not {max(w[2:])}"


def few_filters(x: Array, w: Array, *more: Array | None, groups: int = 1, **options: Any) -> str | None:
    """Where most of a tile of filters would be empty: the filters of a group are its rows."""
    return _few(len(w) // groups)


def few_filters_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``: the channels of a group are its rows."""
    return _few(w.shape[1])


def _few(rows: int) -> str | None:
    return None if rows >= 8 else f"pays from 8 rows of a group's product on, not for {rows}"


def few_filters_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``: the filters of a group are its rows."""
    return _few(shape[0] // groups)
