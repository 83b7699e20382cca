"""Launchers of the second rung: tiles in shared memory."""

from __future__ import annotations

from math import prod
from typing import Any

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import backward, forward, sizes
from .cuda_naive import geometry

TILE = 16
TILED = Source(__file__, "tiled.cu", fused=True, TILE=TILE)
TILED_GRAD_W = Source(__file__, "tiled_grad_w.cu", fused=True, TILE=TILE)


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


def conv2d_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w` by ``tiled_grad_w.cu``."""
    gw = namespace(g).empty(tuple(shape), g.dtype)
    p = geometry(x.shape, shape, groups, **{"stride": 1, "padding": 0, "dilation": 1} | options)
    blocks = cover(shape[0] // groups, TILE) * cover(prod(shape[1:]), TILE)
    args = (dense(x), dense(g), gw, i4(len(x)), p)
    TILED_GRAD_W("conv2d_grad_w_tiled", (blocks, 1, groups), (TILE, TILE), args)
    return gw
