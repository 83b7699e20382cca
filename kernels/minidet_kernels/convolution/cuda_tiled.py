"""Launchers of the second rung: tiles in shared memory, forward and the gradient of the input."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense
from .check import Shape
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import backward, forward, sizes

TILE = 16
TILED = Source(__file__, "tiled.cu", fused=True, TILE=TILE)


def _launch(x: Array, w: Array, bias: Array | None, more: Array | None, y: Array, p: Any, end: Any = NOTHING) -> None:
    groups, filters, _, places = sizes(p)
    blocks = cover(filters, TILE) * cover(places, TILE)
    TILED("conv2d_tiled", (blocks, 1, groups), (TILE, TILE), (x, w, bias, more, y, p, end))


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
    """`minidet_kernels.convolution.conv2d_fused` by ``tiled.cu``."""
    p = forward(x.shape, w.shape, **options)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    bias, residual = (None if a is None else dense(a) for a in (bias, residual))
    _launch(dense(x), dense(w), bias, residual, y, p, epilogue(activation, slope, order))
    return y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``tiled.cu``."""
    return conv2d_fused(x, w, bias, **options)


def conv2d_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``tiled.cu``."""
    gx = namespace(g).empty(tuple(shape), g.dtype)
    g, w = dense(g), dense(w)
    for p in backward(shape, w.shape, **options):
        _launch(g, w, None, None, gx, p)
    return gx
