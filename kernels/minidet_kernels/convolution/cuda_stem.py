"""Launchers of ``stem.cu``: a network's first layer, of few channels."""

from __future__ import annotations

from math import prod
from typing import Any

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import forward, sizes
from .cuda_limits import takes
from .cuda_registers import FLAT, pack

#: The most channels, and the most terms of a sum.
CHANNELS, TERMS = 4, 196
STEM = Source(__file__, "stem.cu", fused=True, TERMS=TERMS)


def limits(x: Array, w: Array, *more: Array | None, groups: int = 1, **options: Any) -> str | None:
    """Why the kernel refuses a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    if groups != 1:
        return f"takes one group, not {groups}"
    if w.shape[1] > CHANNELS:
        return f"takes at most {CHANNELS} channels, not {w.shape[1]}"
    if prod(w.shape[1:]) > TERMS:
        return f"takes filters of at most {TERMS} numbers, not {prod(w.shape[1:])}"
    return takes(x, w, **options)


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``stem.cu``."""
    return _run(x, w, bias, None, NOTHING, **options)


def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    **options: Any,
) -> Array:
    """`minidet_kernels.convolution.conv2d_fused` by ``stem.cu``."""
    return _run(x, w, bias, residual, epilogue(activation, slope, order), **options)


def _run(x: Array, w: Array, bias: Array | None, residual: Array | None, end: Any, **options: Any) -> Array:
    p = forward(x.shape, w.shape, **options)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    packed = pack(dense(w), p, FLAT)
    bias, residual = (None if a is None else dense(a) for a in (bias, residual))
    high = packed.shape[2]
    STEM(
        "conv2d_stem",
        (cover(sizes(p).places, 256), high // 32),
        128,
        (dense(x), packed, bias, residual, y, i4(high), p, end),
    )
    return y
