"""Launchers of ``pointwise.cu``: filters of 1 x 1, forward, fused, and the gradient of the input."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from .check import Shape
from .cuda_epilogue import epilogue
from .cuda_gather import backward, forward
from .cuda_limits import takes, takes_grad_x
from .cuda_registers import run
from .geometry import IntOrPair, pair
from .limits import one_by_one


def _limits(w: Array, plane: Shape, stride: IntOrPair, padding: IntOrPair) -> str | None:
    if why := one_by_one(w, w, padding=padding):
        return why
    if pair(stride) != (1, 1):
        return f"takes stride 1, not {pair(stride)}"
    return f"takes maps of at least 4 pixels, not {prod(plane)}" if prod(plane) < 4 else None


def limits(
    x: Array, w: Array, *more: Array | None, stride: IntOrPair = 1, padding: IntOrPair = 0, **options: Any
) -> str | None:
    """Why the kernel refuses a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    return _limits(w, x.shape[2:], stride, padding) or takes(x, w, **options)


def limits_grad_x(
    g: Array, w: Array, *, shape: Shape, stride: IntOrPair = 1, padding: IntOrPair = 0, **options: Any
) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return _limits(w, tuple(shape[2:]), stride, padding) or takes_grad_x(g, w, shape=shape, **options)


def _forward(x: Array, w: Array, bias: Array | None, residual: Array | None, end: np.ndarray | None, **o: Any) -> Array:
    y = namespace(x).empty((len(x), len(w), *x.shape[2:]), x.dtype)
    return run(x, w, bias, residual, y, [forward(x.shape, w.shape, **o)], end, pointwise=True) if y.size else y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``pointwise.cu``."""
    return _forward(x, w, bias, None, None, **options)


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
    """`minidet_kernels.convolution.conv2d_fused` by ``pointwise.cu``."""
    return _forward(x, w, bias, residual, epilogue(activation, slope, order), **options)


def conv2d_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``pointwise.cu``: the same product, by the filters transposed."""
    gx = namespace(g).empty(tuple(shape), g.dtype)
    return run(g, w, None, None, gx, list(backward(shape, w.shape, **options)), pointwise=True) if gx.size else gx
