"""The arguments of a convolution: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

from operator import index
from typing import Any

from ..arrays import Array, is_array, library
from .geometry import IntOrPair, extent, out_size

Shape = tuple[int, ...]


def _pair(op: str, name: str, value: Any, least: int) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    try:
        vertical, horizontal = map(index, pair)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: {name} must be an integer or a (vertical, horizontal) pair, not {value!r}") from None
    if vertical < least or horizontal < least:
        raise ValueError(f"{op}: {name} must be at least {least} along both axes, not {value!r}")
    return vertical, horizontal


def _groups(op: str, groups: Any) -> int:
    try:
        groups = index(groups)
    except TypeError:
        raise TypeError(f"{op}: groups must be an integer, not {groups!r}") from None
    if groups < 1:
        raise ValueError(f"{op}: groups must be at least 1, not {groups}")
    return groups


def _arrays(op: str, **arrays: Any) -> None:
    """Arrays of one library and one dtype, float32 or float64."""
    (first, x), *_ = arrays.items()
    for name, a in arrays.items():
        if not is_array(a):
            raise TypeError(f"{op}: {name} must be a NumPy or CuPy array, not {type(a).__name__}")
        if library(a) != library(x):
            raise TypeError(
                f"{op}: {first} is on {library(x)} and {name} on {library(a)}; move one of them to the other's device"
            )
        if a.dtype.char not in "fd" or not a.dtype.isnative:
            raise TypeError(f"{op}: {name} must be float32 or float64, not {a.dtype}; use {name}.astype(np.float32)")
        if a.dtype != x.dtype:
            raise TypeError(f"{op}: {first} is {x.dtype} and {name} is {a.dtype}; use {name}.astype({first}.dtype)")


def _shape(op: str, name: str, shape: Any, layout: str) -> Shape:
    try:
        sizes = tuple(map(index, shape))
    except TypeError:
        raise TypeError(f"{op}: {name} must be a tuple of four integers {layout}, not {shape!r}") from None
    if len(sizes) != 4:
        raise ValueError(f"{op}: {name} must have four axes {layout}, not {len(sizes)}: {sizes}")
    if min(sizes) < 0:
        raise ValueError(f"{op}: {name} must have no negative size, found {sizes}")
    return sizes


def _output(
    op: str, x: Shape, w: Shape, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair, groups: int
) -> Shape:
    """The shape of ``conv2d``'s output for these shapes, or why there is none."""
    strides, paddings = _pair(op, "stride", stride, 1), _pair(op, "padding", padding, 0)
    dilations, groups = _pair(op, "dilation", dilation, 1), _groups(op, groups)
    (N, C, *sizes), (O, Cg, *taps) = x, w
    if O % groups or Cg * groups != C:
        raise ValueError(
            f"{op}: x {x} has {C} channels and w {w} has {O} filters of {Cg} channels, which do not make {groups} "
            f"group(s); w must be (O, {C}/groups, kh, kw) with groups dividing both {C} and O"
        )
    out = []
    for n, k, s, p, d in zip(sizes, taps, strides, paddings, dilations, strict=True):
        if k < 1:
            raise ValueError(f"{op}: w {w} has no taps; kh and kw must be at least 1")
        if extent(k, d) > n + 2 * p:
            raise ValueError(
                f"{op}: the filter of w {w} spans {extent(k, d)} pixels (dilation {d}) and x {x} has only {n + 2 * p} "
                f"(padding {p}); give a larger x or padding >= {-(-(extent(k, d) - n) // 2)}"
            )
        out.append(out_size(n, k, s, p, d))
    return (N, O, *out)


def check_conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> None:
    """Refuse what ``conv2d`` cannot compute."""
    _arrays("conv2d", **({"x": x, "w": w} if bias is None else {"x": x, "w": w, "bias": bias}))
    shapes = _shape("conv2d", "x", x.shape, "(N, C, H, W)"), _shape("conv2d", "w", w.shape, "(O, C/groups, kh, kw)")
    _output("conv2d", *shapes, stride, padding, dilation, groups)
    if bias is not None and bias.shape != w.shape[:1]:
        raise ValueError(f"conv2d: bias {bias.shape} must have one number per filter of w {w.shape}: {w.shape[:1]}")


def check_grad_x(
    g: Array,
    w: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> None:
    """Refuse what ``conv2d_grad_x`` cannot compute."""
    op = "conv2d_grad_x"
    _arrays(op, g=g, w=w)
    x, filters = _shape(op, "shape", shape, "(N, C, H, W)"), _shape(op, "w", w.shape, "(O, C/groups, kh, kw)")
    out = _output(op, x, filters, stride, padding, dilation, groups)
    if g.shape != out:
        raise ValueError(
            f"{op}: g {g.shape} must have the shape of conv2d's output for shape {x} and w {w.shape}: {out}"
        )


def check_grad_w(
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> None:
    """Refuse what ``conv2d_grad_w`` cannot compute."""
    op = "conv2d_grad_w"
    _arrays(op, x=x, g=g)
    inputs, w = _shape(op, "x", x.shape, "(N, C, H, W)"), _shape(op, "shape", shape, "(O, C/groups, kh, kw)")
    out = _output(op, inputs, w, stride, padding, dilation, groups)
    if g.shape != out:
        raise ValueError(
            f"{op}: g {g.shape} must have the shape of conv2d's output for x {x.shape} and shape {w}: {out}"
        )
