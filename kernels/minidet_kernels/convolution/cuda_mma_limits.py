"""Which calls the tensor cores take, and why they are not chosen by themselves: read without the launchers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..arrays import Array
from ..cuda import too_large
from .check import Shape
from .geometry import IntOrPair, out_sizes, pair

#: The most blocks of a grid along its second and its third axis.
MOST = 65535
#: The inputs' error, as a part, that rounding to each kind makes at most.
ROUNDING = {
    "tf32": "2^-11",
    "f16": "2^-11, and to infinity from 65520 on",
    "bf16": "2^-8",
    "tf32x3": "2^-22, products by 3 times that",
}


def takes(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why the tensor cores refuse a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    return _takes(x, x.shape, w.shape, **options)


def takes_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return _takes(g, shape, w.shape, **options)


def takes_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``."""
    return _takes(x, x.shape, shape, **options)


def _takes(
    given: Array,
    x: Shape,
    w: Shape,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    **_: Any,
) -> str | None:
    from ..cuda import here

    if given.dtype.char != "f":
        return f"takes float32, not {given.dtype}"
    for what, count in (("images", x[0]), ("filters", w[0]), ("groups", groups)):
        if count > MOST:
            return f"takes at most {MOST} {what}, not {count}"
    (N, C, H, W), (O, Cg, kh, kw), (oh, ow) = x, w, out_sizes(x, w, stride, padding, dilation)
    filled = {n: -(-n // 8) * 24 for n in (Cg, O // groups)}  # of a group in whole chunks, and perhaps in three parts
    sizes = {"x": N * groups * filled[Cg] * H * W, "y": N * groups * filled[O // groups] * oh * ow}
    sizes |= {"w": prod((groups, filled[Cg], filled[O // groups], kh, kw)), "padded x": N * C * (H + oh) * (W + ow)}
    return too_large(**sizes) or here.needs_capability(8, what="tensor cores for tf32 and bf16, cp.async")


def _rounds(kind: str) -> Callable[..., str | None]:
    def doubts(*_: Any, **__: Any) -> str | None:
        return f"rounds its inputs to {kind}, by a part of {ROUNDING[kind]}: pin it to allow that"

    doubts.__doc__ = f"Why nobody gets ``mma_{kind}`` who has not asked for it."
    return doubts


rounds_to_tf32, rounds_to_f16, rounds_to_bf16, rounds_to_tf32x3 = map(_rounds, ROUNDING)


def takes_wgmma(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why ``wgmma_bf16.cu`` refuses a ``conv2d`` or a ``conv2d_fused``, or ``None``: what tensor maps cannot say."""
    stride, padding, dilation = (pair(options.get(k, v)) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1)))
    out = out_sizes(x.shape, w.shape, stride, padding, dilation)
    why = _windows(x.shape[2:], out, w.shape[2:], stride, padding, dilation)
    return _takes_wgmma(x, x.shape, w.shape, **options) or why


def takes_wgmma_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``, which is a convolution of ``g`` where the stride is 1."""
    if (stride := pair(options.get("stride", 1))) != (1, 1):
        return f"takes stride 1, not {stride}"
    padding, dilation = pair(options.get("padding", 0)), pair(options.get("dilation", 1))
    around = tuple(d * (k - 1) - p for k, d, p in zip(w.shape[2:], dilation, padding, strict=True))
    why = _windows(g.shape[2:], shape[2:], w.shape[2:], stride, around, dilation)
    return _takes_wgmma(g, shape, w.shape, **options) or why


def takes_wgmma_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``, whose windows are those of ``conv2d``."""
    stride, padding, dilation = (pair(options.get(k, v)) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1)))
    why = _windows(x.shape[2:], g.shape[2:], shape[2:], stride, padding, dilation)
    return _takes_wgmma(x, x.shape, shape, **options) or why


def _takes_wgmma(given: Array, x: Shape, w: Shape, **options: Any) -> str | None:
    from ..cuda import here

    if (groups := options.get("groups", 1)) != 1:
        return f"takes one group, not {groups}"
    if not (prod(x) and prod(w)):
        return "takes arrays that are not empty"
    why = _takes(given, x, w, **options)
    why = why or here.needs_capability(9, exactly=True, what="wgmma and the tensor memory accelerator")
    if why is None:
        from . import cuda_wgmma

        return cuda_wgmma.maps.missing()
    return why


def _windows(read: Shape, made: Shape, taps: Shape, stride: Shape, padding: Shape, dilation: Shape) -> str | None:
    """What a tensor map cannot say of windows over ``read`` pixels, ``made`` of them along each axis."""
    if max(stride) > 8:
        return f"takes strides of at most 8, not {stride}"
    spans = tuple((k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True))
    if max(spans) > 256:
        return f"takes filters that span at most 256 pixels, not {spans}"
    ends = [(n - 1) * s - p - (m - 1) for n, s, p, m in zip(made, stride, padding, read, strict=True)]
    if min(*(-p for p in padding), *ends) < -128 or max(*(-p for p in padding), *ends) > 127:
        return f"takes windows that begin and end within 128 pixels of the map's ends, not at {padding} before it"
    return None


def never_run(*_: Any, **__: Any) -> str | None:
    """Why nobody gets ``wgmma_bf16`` who has not asked for it."""
    return "has never run on a GPU, and rounds its inputs to bf16, by a part of 2^-8: pin it to try it"
