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
ROUNDING = {"tf32": "2^-11", "f16": "2^-11, and are infinite from 65520 on", "bf16": "2^-8"}


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
    filled = {n: -(-n // 8) * 8 for n in (Cg, O // groups)}  # channels and filters of a group in whole chunks
    sizes = {"x": N * groups * filled[Cg] * H * W, "y": N * groups * filled[O // groups] * oh * ow}
    sizes |= {"w": prod((groups, filled[Cg], filled[O // groups], kh, kw)), "padded x": N * C * (H + oh) * (W + ow)}
    return too_large(**sizes) or here.needs_capability(8, what="tensor cores for tf32 and bf16, cp.async")


def _rounds(kind: str) -> Callable[..., str | None]:
    def doubts(*_: Any, **__: Any) -> str | None:
        return f"rounds its inputs to {kind}, by a part of {ROUNDING[kind]}: pin it to allow that"

    doubts.__doc__ = f"Why nobody gets ``mma_{kind}`` who has not asked for it."
    return doubts


rounds_to_tf32, rounds_to_f16, rounds_to_bf16 = map(_rounds, ROUNDING)


def takes_wgmma(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why ``wgmma_bf16.cu`` refuses a ``conv2d`` or a ``conv2d_fused``, or ``None``: what tensor maps cannot say."""
    from ..cuda import here

    if (groups := options.get("groups", 1)) != 1:
        return f"takes one group, not {groups}"
    if not (x.size and w.size):
        return "takes arrays that are not empty"
    (sh, sw), (ph, pw), (dh, dw) = (
        pair(options.get(k, v)) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    (H, W), (kh, kw) = x.shape[2:], w.shape[2:]
    oh, ow = out_sizes(x.shape, w.shape, (sh, sw), (ph, pw), (dh, dw))
    if max(sh, sw) > 8:
        return f"takes strides of at most 8, not {(sh, sw)}"
    if max((kh - 1) * dh, (kw - 1) * dw) > 255:
        return f"takes filters that span at most 256 pixels, not {((kh - 1) * dh + 1, (kw - 1) * dw + 1)}"
    corners = (-ph, -pw, (oh - 1) * sh - ph - (H - 1), (ow - 1) * sw - pw - (W - 1))
    if min(corners) < -128 or max(corners) > 127:
        return f"takes windows whose first and last pixel are within 128 of the picture's, not {corners}"
    why = _takes(x, x.shape, w.shape, **options)
    return why or here.needs_capability(9, exactly=True, what="wgmma and the tensor memory accelerator")


def never_run(*_: Any, **__: Any) -> str | None:
    """Why nobody gets ``wgmma_bf16`` who has not asked for it."""
    return "has never run on a GPU, and rounds its inputs to bf16, by a part of 2^-8: pin it to try it"
