"""Convolution in Numba CUDA, the readable twin of ``naive.cu``: a thread for each element of the output."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, namespace
from ..cuda import cover
from ..cuda.numba_cuda import cuda, launch
from .geometry import IntOrPair, out_sizes, pair

BLOCK = 64


@cuda.jit
def _naive(x: Any, w: Any, bias: Any, y: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> None:
    """``y[n, o, i, j]`` is the sum over c, u, v, in that order, begun with the bias."""
    place = cuda.grid(1)
    if place >= y.size:
        return
    filters, oh, ow = y.shape[1], y.shape[2], y.shape[3]
    n, o, i, j = place // (filters * oh * ow), place // (oh * ow) % filters, place // ow % oh, place % ow
    channels = w.shape[1]
    first = o // (filters // groups) * channels
    total = bias[o]  # of the arrays' dtype
    for c in range(channels):
        for u in range(w.shape[2]):
            a = i * stride[0] + u * dilation[0] - padding[0]
            if a < 0 or a >= x.shape[2]:
                continue
            for v in range(w.shape[3]):
                b = j * stride[1] + v * dilation[1] - padding[1]
                if b >= 0 and b < x.shape[3]:
                    total += w[o, c, u, v] * x[n, first + c, a, b]
    y[n, o, i, j] = total


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
    """As ``minidet_kernels.conv2d``."""
    xp, shape = namespace(x), (len(x), len(w), *out_sizes(x.shape, w.shape, stride, padding, dilation))
    y = xp.empty(shape, x.dtype)
    begin = xp.zeros(len(w), x.dtype) if bias is None else bias
    args = (x, w, begin, y, pair(stride), pair(padding), pair(dilation), groups)
    launch(_naive, cover(y.size, BLOCK), BLOCK, args)
    return y
