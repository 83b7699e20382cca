"""Depthwise convolution by 3 x 3 filters with stride 1 or 2, for float32: each channel is an image of its own.

There is nothing to add up over channels, nine products for each output and no more, so what costs is reading the pixels
and everything beside them.  Nothing is unfolded, padded or laid out anew: a plane is cut into strips of sixteen columns
and each is computed from top to bottom by one vector kernel (``depthwise_vectors``), in which masks stand for the
padding.

With stride 1 the gradient of the input is a convolution too, of ``g`` by the filter turned around, with a padding of
2 - p.  With stride 2 it has a kernel of its own, which writes two rows and twice sixteen columns at a time.  The
gradient of a filter keeps nine vectors of sums, added up at the end of each image, the images in float64.

Waking the other threads takes as long as a small layer does, so those stay on one.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .check import Shape
from .depthwise_vectors import forward_1, forward_2, grad_w_1, grad_w_2, grad_x_2
from .geometry import IntOrPair, out_sizes, pair

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Layers of fewer outputs than this are computed by the thread that asks (measured).
ALONE = 2**18


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _forward_planes(x, w, bias, y, s, p, zeros, first, last):
    """Planes ``first`` to ``last`` of ``y`` (N, O, oh, ow): O is a multiple of the channels."""
    (_, C, H, W), (_, O, oh, ow) = x.shape, y.shape
    for part in range(first, last):
        n, o = part // O, part % O
        pixels, weights, out = _address(x[n, o // (O // C)]), _address(w[o]), _address(y[n, o])
        for column in range(0, ow, 16):
            if s == 1:
                forward_1(pixels, H, W, weights, bias[o], out, oh, ow, p[0], p[1], column, _address(zeros))
            else:
                forward_2(pixels, H, W, weights, bias[o], out, oh, ow, p[0], p[1], column, _address(zeros))


@njit(cache=True, parallel=True)
def _forward(x, w, bias, y, s, p, zeros, threads):
    planes = y.shape[0] * y.shape[1]
    for t in prange(threads):
        _forward_planes(x, w, bias, y, s, p, zeros, planes * t // threads, planes * (t + 1) // threads)


@njit(cache=True)
def _grad_x_planes(g, w, x, zeros, first, last):
    """Planes ``first`` to ``last`` of the gradient ``x`` (N, C, H, W), for stride 2 and padding 1."""
    (_, C, H, W), (oh, ow) = x.shape, g.shape[2:]
    for part in range(first, last):
        n, c = part // C, part % C
        for column in range(0, ow, 16):
            grad_x_2(_address(g[n, c]), oh, ow, _address(w[c]), _address(x[n, c]), H, W, column, _address(zeros))


@njit(cache=True, parallel=True)
def _grad_x(g, w, x, zeros, threads):
    planes = x.shape[0] * x.shape[1]
    for t in prange(threads):
        _grad_x_planes(g, w, x, zeros, planes * t // threads, planes * (t + 1) // threads)


@njit(cache=True)
def _grad_w_filters(x, g, w, s, p, zeros, first, last):
    """Filters ``first`` to ``last`` of the gradient ``w`` (O, 1, 3, 3), over all images."""
    (N, C, H, W), (_, O, oh, ow) = x.shape, g.shape
    sums, total = np.empty((9, 16), np.float32), np.empty(9, np.float64)
    for o in range(first, last):
        total[:] = 0
        for n in range(N):
            sums[:] = 0
            pixels, gradients = _address(x[n, o // (O // C)]), _address(g[n, o])
            for column in range(0, ow, 16):
                if s == 1:
                    grad_w_1(pixels, H, W, gradients, oh, ow, p[0], p[1], column, _address(zeros), _address(sums))
                else:
                    grad_w_2(pixels, H, W, gradients, oh, ow, p[0], p[1], column, _address(zeros), _address(sums))
            for k in range(9):
                for lane in range(16):
                    total[k] += sums[k, lane]
        for k in range(9):
            w[o, 0, k // 3, k % 3] = total[k]


@njit(cache=True, parallel=True)
def _grad_w(x, g, w, s, p, zeros, threads):
    for t in prange(threads):
        _grad_w_filters(x, g, w, s, p, zeros, len(w) * t // threads, len(w) * (t + 1) // threads)


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
    y = np.empty((len(x), len(w), *out_sizes(x.shape, w.shape, stride, padding, 1)), np.float32)
    start = np.zeros(len(w), np.float32) if bias is None else _ready(bias)
    return _convolve(_ready(x), _ready(w), start, y, pair(stride)[0], pair(padding))


def _convolve(x: Array, w: Array, bias: Array, y: Array, s: int, p: tuple[int, int]) -> Array:
    zeros, planes = _zeros(x.shape[3]), len(y) * len(w)
    if y.size < ALONE:
        _forward_planes(x, w, bias, y, s, p, zeros, 0, planes)
    else:
        _forward(x, w, bias, y, s, p, zeros, min(planes, get_num_threads()))
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
    """See ``minidet_kernels.convolution.conv2d_grad_x``."""
    x, (ph, pw) = np.empty(shape, np.float32), pair(padding)
    if pair(stride) == (1, 1):
        turned = np.array(w[:, :, ::-1, ::-1], order="C")
        return _convolve(_ready(g), turned, np.zeros(len(w), np.float32), x, 1, (2 - ph, 2 - pw))
    zeros, planes = _zeros(g.shape[3]), len(x) * len(w)
    if x.size < ALONE:
        _grad_x_planes(_ready(g), _ready(w), x, zeros, 0, planes)
    else:
        _grad_x(_ready(g), _ready(w), x, zeros, min(planes, get_num_threads()))
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
    """See ``minidet_kernels.convolution.conv2d_grad_w``."""
    w, zeros, s, p = np.empty(shape, np.float32), _zeros(x.shape[3]), pair(stride)[0], pair(padding)
    if g.size < ALONE:
        _grad_w_filters(_ready(x), _ready(g), w, s, p, zeros, 0, len(w))
    else:
        _grad_w(_ready(x), _ready(g), w, s, p, zeros, min(len(w), get_num_threads()))
    return w


def _zeros(width: int) -> Array:
    """A row of zeros of a plane's width."""
    return np.zeros(max(1, width), np.float32)


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
