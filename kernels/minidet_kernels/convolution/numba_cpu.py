"""Direct convolution for many groups of few channels (depthwise above all), compiled by Numba.

One channel's columns are kh*kw long: too short for a matrix product, and unrolling them costs more than it saves.
Here a plane is laid out once so that each tap is one long run of numbers (``phases``).  The numbers at the end of the
rows of such a run are of no meaning: ``conv2d`` drops them, and in the gradients they are zero, times a pixel.  (So an
infinity in ``x`` may make more of its channel's ``conv2d_grad_w`` NaN than the definition does, and one in ``w`` more
of ``conv2d_grad_x``.)

A thread owns its results, so that nothing is added by two, nor in an order that varies.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, Pair, out_sizes, pair
from .phases import copy as _copy
from .phases import join as _join
from .phases import split as _split
from .phases import start as _start

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


@njit(cache=True, fastmath={"contract"})
def _add(out, weight, run):
    for j in range(len(out)):
        out[j] += weight * run[j]


@njit(cache=True, fastmath={"contract", "reassoc"})
def _add3(out, weights, run0, run1, run2):
    """Three taps while ``out`` is in the registers: twice as fast as three times ``_add``."""
    w0, w1, w2 = weights[0], weights[1], weights[2]
    for j in range(len(out)):
        out[j] += w0 * run0[j] + w1 * run1[j] + w2 * run2[j]


@njit(cache=True, fastmath={"contract", "reassoc"})
def _dot(a, b):
    total = a.dtype.type(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@njit(cache=True)
def _one_group(x, w, bias, y, n, group, groups, s, p, d):
    """The outputs of one group, for one image."""
    (_, _, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, y.shape[2:]
    P, Q = -(-(H + 2 * p[0]) // s[0]), -(-(W + 2 * p[1]) // s[1])
    phases = np.empty((Cg, s[0], s[1], P, Q), x.dtype)
    for c in range(Cg):
        _split(x[n, group * Cg + c], phases[c], p)
    runs = phases.reshape(Cg, s[0] * s[1] * P * Q)
    rows = np.empty((oh, Q), x.dtype)
    out = rows.reshape(oh * Q)[: (oh - 1) * Q + ow]
    for o in range(group * (O // groups), (group + 1) * (O // groups)):
        rows[:] = bias[o]
        for c in range(Cg):
            for u in range(kh):
                for v in range(0, kw - kw % 3, 3):
                    a, b, e = _start(u, v, s, d, P, Q), _start(u, v + 1, s, d, P, Q), _start(u, v + 2, s, d, P, Q)
                    _add3(out, w[o, c, u, v : v + 3], runs[c, a:], runs[c, b:], runs[c, e:])
                for v in range(kw - kw % 3, kw):
                    _add(out, w[o, c, u, v], runs[c, _start(u, v, s, d, P, Q) :])
        for i in range(oh):
            _copy(rows[i], y[n, o, i])


@njit(cache=True, parallel=True)
def _conv2d(x, w, bias, y, groups, s, p, d):
    for part in prange(len(x) * groups):
        _one_group(x, w, bias, y, part // groups, part % groups, groups, s, p, d)


@njit(cache=True)
def _one_group_grad_x(g, w, x, n, group, groups, s, p, d):
    """The gradient of one group's channels, for one image."""
    (_, _, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, g.shape[2:]
    P, Q = -(-(H + 2 * p[0]) // s[0]), -(-(W + 2 * p[1]) // s[1])
    phases = np.zeros((Cg, s[0], s[1], P, Q), x.dtype)
    runs = phases.reshape(Cg, s[0] * s[1] * P * Q)
    rows = np.zeros((oh, Q), x.dtype)
    out = rows.reshape(oh * Q)[: (oh - 1) * Q + ow]
    for o in range(group * (O // groups), (group + 1) * (O // groups)):
        for i in range(oh):
            _copy(g[n, o, i], rows[i, :ow])
        for c in range(Cg):
            for u in range(kh):
                for v in range(kw):
                    start = _start(u, v, s, d, P, Q)
                    _add(runs[c, start : start + len(out)], w[o, c, u, v], out)
    for c in range(Cg):
        _join(phases[c], x[n, group * Cg + c], p)


@njit(cache=True, parallel=True)
def _conv2d_grad_x(g, w, x, groups, s, p, d):
    for part in prange(len(x) * groups):
        _one_group_grad_x(g, w, x, part // groups, part % groups, groups, s, p, d)


@njit(cache=True)
def _one_group_grad_w(x, g, w, group, groups, s, p, d):
    """The gradient of one group's filters, over all images: summed in float64, one image's plane in its own dtype."""
    (_, _, H, W), (O, Cg, kh, kw), (oh, ow) = x.shape, w.shape, g.shape[2:]
    P, Q = -(-(H + 2 * p[0]) // s[0]), -(-(W + 2 * p[1]) // s[1])
    phases = np.empty((Cg, s[0], s[1], P, Q), x.dtype)
    runs = phases.reshape(Cg, s[0] * s[1] * P * Q)
    rows = np.zeros((oh, Q), x.dtype)
    out = rows.reshape(oh * Q)[: (oh - 1) * Q + ow]
    first = group * (O // groups)
    total = np.zeros((O // groups, Cg, kh, kw), np.float64)
    for n in range(len(x)):
        for c in range(Cg):
            _split(x[n, group * Cg + c], phases[c], p)
        for o in range(O // groups):
            for i in range(oh):
                _copy(g[n, first + o, i], rows[i, :ow])
            for c in range(Cg):
                for u in range(kh):
                    for v in range(kw):
                        total[o, c, u, v] += _dot(out, runs[c, _start(u, v, s, d, P, Q) :])
    sums = total.reshape(O // groups, Cg * kh * kw)
    for o in range(O // groups):
        _copy(sums[o], w[first + o].reshape(Cg * kh * kw))


@njit(cache=True, parallel=True)
def _conv2d_grad_w(x, g, w, groups, s, p, d):
    for group in prange(groups):
        _one_group_grad_w(x, g, w, group, groups, s, p, d)


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")


def _options(size: Shape, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> tuple[Pair, Pair, Pair]:
    """Stride, padding and dilation as pairs; a stride beyond the padded plane is never taken, so it is cut to that."""
    (H, W), (sh, sw), (ph, pw) = size, pair(stride), pair(padding)
    return (min(sh, H + 2 * ph), min(sw, W + 2 * pw)), (ph, pw), pair(dilation)


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
    options = _options(x.shape[2:], stride, padding, dilation)
    _conv2d(_ready(x), _ready(w), start, y, groups, *options)
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
    options = _options(shape[2:], stride, padding, dilation)
    _conv2d_grad_x(_ready(g), _ready(w), x, groups, *options)
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
    options = _options(x.shape[2:], stride, padding, dilation)
    _conv2d_grad_w(_ready(x), _ready(g), w, groups, *options)
    return w
