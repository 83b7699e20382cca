"""The formula as loops, compiled by Numba: any geometry, any groups, float32 and float64.

    for each image n and filter o, on all threads:
        y[n, o] = bias[o]
        for each channel c and tap (u, v) of the filter:
            for each row i and column j whose tap lies on a pixel and not in the padding:
                y[n, o, i, j] += w[o, c, u, v] * x[n, c, i s + u d - p, j s + v d - p]

It is what the clever ones are to be read beside.  The columns are innermost, so that the compiler can take several at
once, and what lies in the padding is left out before the loop and not asked for within it (``covered``).  It is slower
than a matrix product all the same: each product reads and writes its sum in memory, where a product of matrices keeps
hundreds of sums in registers while it reads.

In the gradients a thread owns what it adds to as well: a channel of ``x``, or a filter of ``w``.  So no two add to one
number, nor in an order that varies.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, covered, out_sizes, pair

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

_covered = njit(cache=True)(covered)


@njit(cache=True, fastmath={"contract"})
def _add(out, weight, row, step):
    for j in range(len(out)):
        out[j] += weight * row[j * step]


@njit(cache=True, fastmath={"contract"})
def _add_apart(out, step, weight, row):
    for j in range(len(row)):
        out[j * step] += weight * row[j]


@njit(cache=True, fastmath={"contract", "reassoc"})
def _dot(g, row, step):
    total = g.dtype.type(0)
    for j in range(len(g)):
        total += g[j] * row[j * step]
    return total


@njit(cache=True, parallel=True)
def _conv2d(x, w, bias, y, groups, s, p, d):
    (N, _, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, y.shape[2:]
    for part in prange(N * O):
        n, o = part // O, part % O
        first = o // (O // groups) * Cg
        y[n, o] = bias[o]
        for c in range(Cg):
            for u in range(kh):
                top, bottom = _covered(H, u, s[0], p[0], d[0], 0, oh)
                for v in range(kw):
                    left, right = _covered(W, v, s[1], p[1], d[1], 0, ow)
                    start = left * s[1] + v * d[1] - p[1]
                    for i in range(top, bottom):
                        row = x[n, first + c, i * s[0] + u * d[0] - p[0]]
                        _add(y[n, o, i, left:right], w[o, c, u, v], row[start:], s[1])


@njit(cache=True, parallel=True)
def _conv2d_grad_x(g, w, x, groups, s, p, d):
    (N, C, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, g.shape[2:]
    for part in prange(N * C):
        n, c = part // C, part % C
        group = c // Cg
        x[n, c] = 0
        for o in range(group * (O // groups), (group + 1) * (O // groups)):
            for u in range(kh):
                top, bottom = _covered(H, u, s[0], p[0], d[0], 0, oh)
                for v in range(kw):
                    left, right = _covered(W, v, s[1], p[1], d[1], 0, ow)
                    start = left * s[1] + v * d[1] - p[1]
                    for i in range(top, bottom):
                        row = x[n, c, i * s[0] + u * d[0] - p[0]]
                        _add_apart(row[start:], s[1], w[o, c - group * Cg, u, v], g[n, o, i, left:right])


@njit(cache=True, parallel=True)
def _conv2d_grad_w(x, g, w, groups, s, p, d):
    (N, _, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, g.shape[2:]
    for part in prange(O * Cg):
        o, c = part // Cg, part % Cg
        channel = o // (O // groups) * Cg + c
        for u in range(kh):
            top, bottom = _covered(H, u, s[0], p[0], d[0], 0, oh)
            for v in range(kw):
                left, right = _covered(W, v, s[1], p[1], d[1], 0, ow)
                start = left * s[1] + v * d[1] - p[1]
                total = 0.0
                for n in range(N):
                    for i in range(top, bottom):
                        row = x[n, channel, i * s[0] + u * d[0] - p[0]]
                        total += _dot(g[n, o, i, left:right], row[start:], s[1])
                w[o, c, u, v] = total


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")


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
    y = np.empty((len(x), len(w), *out_sizes(x.shape, w.shape, stride, padding, dilation)), x.dtype)
    start = np.zeros(len(w), x.dtype) if bias is None else _ready(bias)
    _conv2d(_ready(x), _ready(w), start, y, groups, pair(stride), pair(padding), pair(dilation))
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
    x = np.empty(shape, g.dtype)
    _conv2d_grad_x(_ready(g), _ready(w), x, groups, pair(stride), pair(padding), pair(dilation))
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
    w = np.empty(shape, x.dtype)
    _conv2d_grad_w(_ready(x), _ready(g), w, groups, pair(stride), pair(padding), pair(dilation))
    return w
