"""Launchers of the first rungs: a thread for each number of the result."""

from __future__ import annotations

from math import prod

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .geometry import IntOrPair, out_sizes, pair

TILE = 128
FORWARD = Source(__file__, "naive.cu", fused=True, TILE=TILE)
GRAD_X = Source(__file__, "naive_grad_x.cu", fused=True, TILE=TILE)
GRAD_W = Source(__file__, "naive_grad_w.cu", fused=True, TILE=TILE)

_SIDES = ("stride", "padding", "dilation")
#: The kernels' ``Convolution``.
GEOMETRY = np.dtype(
    [(name, np.int32) for name in ("C", "H", "W", "O", "kh", "kw", "oh", "ow", "groups")]
    + [(f"{name}_{side}", np.int32) for name in _SIDES for side in "hw"]
)


def geometry(x: Shape, w: Shape, groups: int, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> np.ndarray:
    """The sizes of a call as the kernels take them: one structured number, handed over by value."""
    sizes = (*x[1:], w[0], *w[2:], *out_sizes(x, w, stride, padding, dilation), groups)
    return np.array((*sizes, *pair(stride), *pair(padding), *pair(dilation)), GEOMETRY)


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``naive.cu``."""
    p = geometry(x.shape, w.shape, groups, stride, padding, dilation)
    N, O, oh, ow = len(x), len(w), int(p["oh"]), int(p["ow"])
    y = namespace(x).empty((N, O, oh, ow), x.dtype)
    args = (dense(x), dense(w), None if bias is None else dense(bias), y, p)
    FORWARD("conv2d_naive", (cover(oh * ow, TILE), O, N), TILE, args)
    return y


def conv2d_grad_x(
    g: Array,
    w: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``naive_grad_x.cu``."""
    N, C, H, W = shape
    gx = namespace(g).empty((N, C, H, W), g.dtype)
    args = (dense(g), dense(w), gx, geometry(shape, w.shape, groups, stride, padding, dilation))
    GRAD_X("conv2d_grad_x_naive", (cover(H * W, TILE), C, N), TILE, args)
    return gx


def conv2d_grad_w(
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w` by ``naive_grad_w.cu``."""
    gw = namespace(g).empty(tuple(shape), g.dtype)
    args = (dense(x), dense(g), gw, i4(len(x)), geometry(x.shape, shape, groups, stride, padding, dilation))
    GRAD_W("conv2d_grad_w_naive", (cover(prod(shape[1:]), TILE), shape[0]), TILE, args)
    return gw
