"""Convolution by 3 x 3 filters of few channels, for float32, a piece of a row at a time; compiled.

Of few channels an output is a short sum, and what surrounds the sums takes as long as they do: looking up where a tap's
pixels lie, writing outputs to a buffer and from there to their place.  Here a thread lays out the rows under a band of
outputs, with their border of zeros, and the kernel (``rows_vectors``) goes through the nine taps of a channel without
looking anything up, begins with the bias and writes the outputs where they belong.

A row of outputs is cut into pieces of OUTPUTS; the last piece ends with the row and repeats some of the one before.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .geometry import IntOrPair, Pair, out_sizes, pair
from .phases import copy
from .rows_vectors import HEIGHTS, OUTPUTS, piece
from .scratch import fresh, scratch

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Bytes of pixels that are laid out for a band of outputs (measured).
BAND = 2**17

_HEIGHTS = np.array(HEIGHTS)


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _height(left):
    """How many filters to take of those that are left: the most, unless that would leave a few for last."""
    for k, height in enumerate(_HEIGHTS):
        if height == left or (height <= left and (k > 0 or left >= height + _HEIGHTS[1])):
            return height
    return 0


@njit(cache=True)
def _pack(w, out):
    """Lay out w (O, C, 9) for the kernel: (C, 9, height) of each group of filters, one group after the other."""
    O, C, _ = w.shape
    o = at = 0
    while o < O:
        height = _height(O - o)
        for c in range(C):
            for t in range(9):
                for r in range(height):
                    out[at] = w[o + r, c, t]
                    at += 1
        o += height


@njit(cache=True)
def _band(x, weights, bias, y, p, rows, top, bottom):
    """The outputs y (O, oh, ow) in the rows from ``top`` to ``bottom``; rows (C, bottom - top + 2 or more, W + 2 p)."""
    (C, H, W), (O, _, ow), (_, height, Q) = x.shape, y.shape, rows.shape
    for c in range(C):
        for k in range(bottom - top + 2):
            i, line = top + k - p[0], rows[c, k]
            if i < 0 or i >= H:
                line[:] = 0
            else:
                line[: p[1]] = 0
                copy(x[c, i], line[p[1] : p[1] + W])
                line[p[1] + W :] = 0
    far = 4 * y.shape[1] * ow
    o, weight = 0, _address(weights)
    while o < O:
        many = _height(O - o)
        for i in range(top, bottom):
            start, out = _address(rows) + 4 * (i - top) * Q, _address(y[o, i])
            for j in range(0, ow, OUTPUTS):
                j = min(j, ow - OUTPUTS)
                piece(many, start + 4 * j, 4 * Q, 4 * height * Q, weight, _address(bias) + 4 * o, out + 4 * j, far, C)
        o, weight = o + many, weight + 36 * C * many


@njit(cache=True, parallel=True)
def _convolve(x, weights, bias, y, p, memory, height):
    """All bands, of ``height`` rows, of all images; memory (threads, C, height + 2, W + 2 p)."""
    threads, oh = len(memory), y.shape[2]
    bands = (oh + height - 1) // height
    work = len(x) * bands
    for t in prange(threads):
        for item in range(work * t // threads, work * (t + 1) // threads):
            n, top = item // bands, item % bands * height
            _band(x[n], weights, bias, y[n], p, memory[t], top, min(oh, top + height))


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
    start = np.zeros(len(w), np.float32) if bias is None else _ready(bias)
    return _convolution(_ready(x), _ready(w), start, pair(padding))


def _convolution(x: Array, w: Array, bias: Array, p: Pair) -> Array:
    (N, C, _, W), O, threads = x.shape, len(w), get_num_threads()
    oh, ow = out_sizes(x.shape, w.shape, 1, p, 1)
    y = fresh((N, O, oh, ow))
    if not y.size:
        return y
    weights, Q = scratch("weights by taps", (O * C * 9,)), W + 2 * p[1]
    _pack(w.reshape(O, C, 9), weights)
    most = max(1, BAND // max(1, 4 * C * Q) - 2)
    height = -(-oh // (-(-oh // (most * threads)) * threads))  # as many bands for each thread
    _convolve(x, weights, bias, y, p, scratch("rows", (threads, C, height + 2, Q)), height)
    return y


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
