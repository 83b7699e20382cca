"""Filters of 1 x 1: a plain matrix product over the channels, for NumPy and CuPy.

    y  (O, oh*ow)  =  w (O, C)  @  x (C, oh*ow)          of each image, and of each group

Each window is one pixel, so ``im2col``'s columns would be a copy of ``x``.  With stride 1 the product reads ``x`` where
it lies; with another, the pixels that are looked at are taken out first, and that is all there is to unfold.  Padding
would add outputs that see nothing; it is left to ``im2col``.
"""

from __future__ import annotations

from ..arrays import Array, namespace
from .check import Shape
from .geometry import IntOrPair, pair


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
    """See ``minidet_kernels.convolution.conv2d``."""
    (sh, sw), (N, C, _, _), O = pair(stride), x.shape, len(w)
    seen = x[:, :, ::sh, ::sw]
    oh, ow = seen.shape[2:]
    pixels = seen.reshape(N, groups, C // groups, oh * ow)
    y = namespace(x).matmul(w.reshape(groups, O // groups, C // groups), pixels).reshape(N, O, oh, ow)
    if bias is not None:
        y += bias[:, None, None]
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
    """See ``minidet_kernels.convolution.conv2d_grad_x``: the transposed product, and zeros where nothing looked."""
    xp, (sh, sw), (N, C, _, _), (O, (oh, ow)) = namespace(g), pair(stride), shape, (len(w), g.shape[2:])
    transposed = w.reshape(groups, O // groups, C // groups).swapaxes(1, 2)
    seen = xp.matmul(transposed, g.reshape(N, groups, O // groups, oh * ow)).reshape(N, C, oh, ow)
    if (sh, sw) == (1, 1):
        return seen
    x = xp.zeros(shape, g.dtype)
    x[:, :, ::sh, ::sw] = seen
    return x


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
    """See ``minidet_kernels.convolution.conv2d_grad_w``: one product for each image, added up."""
    (sh, sw), (N, C, _, _), (O, (oh, ow)) = pair(stride), x.shape, (shape[0], g.shape[2:])
    pixels = x[:, :, ::sh, ::sw].reshape(N, groups, C // groups, oh * ow)
    outputs = g.reshape(N, groups, O // groups, oh * ow)
    return namespace(x).matmul(outputs, pixels.swapaxes(2, 3)).sum(axis=0).reshape(shape)
