"""Convolution for float32 as a product whose columns are looked up, not made: any geometry, any groups; compiled.

The columns of ``im2col`` hold each pixel once for each tap, and writing and reading them takes as long as the product
when filters are few.  But a plane that is laid out by ``phases`` already holds each row of the columns, the pixels
under one tap, as a run of numbers.  So only a table is made of where those runs begin, one number for each channel and
tap of a group, and the kernel (``indirect_vectors``) looks them up as it goes:

    y[o, run]  =  sum over k of  w[o, k] * runs[table[k] + run]         k over channels and taps, run over rows of Q

A thread lays out the rows that a band of outputs looks at, for one group of one image, and multiplies them by ROWS
filters at a time.  A band is what stays in the cache, beside filters that do too; where the filters of a group do not,
it is larger, so that they are read less often.  The numbers between the rows are dropped.

The gradient of the input is, with stride 1, a convolution too: by the filters turned around, with channels and filters
of each group in each other's place, and a padding of d (k - 1) - p.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, Pair, extent, out_sizes, pair
from .indirect_vectors import OUTPUTS, ROWS, product
from .phases import split, start
from .scratch import scratch

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: About how many outputs of a filter are computed before they are written, and how many bytes of pixels are laid out
#: for them, unless the filters take more (measured).
RUN, BUFFER = 1024, 2**19


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _table(shape, taps, d):
    """Where the pixels under each tap of each channel begin in phases of this shape (Cg, sh, sw, P, Q), in bytes."""
    Cg, sh, sw, P, Q = shape
    table = np.empty((Cg, taps[0], taps[1]), np.int64)
    for c in range(Cg):
        for u in range(taps[0]):
            for v in range(taps[1]):
                table[c, u, v] = 4 * (c * (sh * sw * P * Q) + start(u, v, (sh, sw), d, P, Q))
    return table


@njit(cache=True)
def _some(x, w, bias, y, groups, table, p, height, shape, memory, sums, first_item, last_item):
    """Some of the work, whose items are the blocks of ROWS filters of each band of each group of each image."""
    (_, O, oh, ow), (Cg, sh, sw, P, Q), K = y.shape, shape, w.shape[1]
    Og, bands = O // groups, (oh + height - 1) // height
    blocks = (Og + ROWS - 1) // ROWS
    phases = memory[: Cg * sh * sw * P * Q].reshape(Cg, sh, sw, P, Q)
    laid_out = -1
    for item in range(first_item, last_item):
        unit, block = item // blocks, item % blocks
        n, group, top = unit // bands // groups, unit // bands % groups, unit % bands * height
        if unit != laid_out:
            for c in range(Cg):
                split(x[n, group * Cg + c], phases[c], (p[0] - top * sh, p[1]))
            laid_out = unit
        o, rows = group * Og + block * ROWS, min(height, oh - top)
        for first in range(0, rows * Q, OUTPUTS):
            run, out = _address(memory) + 4 * first, _address(sums) + 4 * first
            product(_address(w[o]), 4 * K, run, _address(table), out, 4 * sums.shape[1], K)
        for r in range(min(ROWS, Og - block * ROWS)):
            for i in range(rows):
                line, row = y[n, o + r, top + i], sums[r, i * Q :]
                for j in range(ow):
                    line[j] = row[j] + bias[o + r]


@njit(cache=True, parallel=True)
def _convolve(x, w, bias, y, groups, table, p, height, shape, memory, lines):
    """Filters w (O or more, K), memory (threads, numbers) for phases of this shape, lines (threads, ROWS, numbers)."""
    threads, rows = len(memory), y.shape[2]
    work = y.shape[0] * groups * ((rows + height - 1) // height) * ((y.shape[1] // groups + ROWS - 1) // ROWS)
    for t in prange(threads):
        first, last = work * t // threads, work * (t + 1) // threads
        _some(x, w, bias, y, groups, table, p, height, shape, memory[t], lines[t], first, last)


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
    start = np.zeros(len(w), np.float32) if bias is None else bias
    return _lay_out_and_multiply(x, w, start, pair(stride), pair(padding), pair(dilation), groups)


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
    (O, Cg, kh, kw), (ph, pw), (dh, dw) = w.shape, pair(padding), pair(dilation)
    grouped = w.reshape(groups, O // groups, Cg, kh, kw)[..., ::-1, ::-1].swapaxes(1, 2)
    turned = np.ascontiguousarray(grouped).reshape(groups * Cg, O // groups, kh, kw)
    rest = extent(kh, dh) - 1 - ph, extent(kw, dw) - 1 - pw
    return _lay_out_and_multiply(g, turned, np.zeros(groups * Cg, np.float32), (1, 1), rest, (dh, dw), groups)


def _lay_out_and_multiply(x: Array, w: Array, bias: Array, s: Pair, p: Pair, d: Pair, groups: int) -> Array:
    (N, _, H, W), (O, Cg, kh, kw), threads = x.shape, w.shape, get_num_threads()
    oh, ow = out_sizes(x.shape, w.shape, s, p, d)
    y = np.empty((N, O, oh, ow), np.float32)
    if not y.size:  # the gradient of an image without pixels, for one
        return y
    s = min(s[0], H + 2 * p[0]), min(s[1], W + 2 * p[1])  # a longer one is never taken
    Q, below = -(-(W + 2 * p[1]) // s[1]), (kh - 1) * d[0] // s[0]  # a row of phases; rows beyond those of the outputs
    matrix = _ready(w).reshape(O, Cg * kh * kw)
    if O // groups % ROWS:  # the last filters are read as if they were ROWS
        matrix = np.concatenate([matrix, np.zeros((ROWS, Cg * kh * kw), np.float32)])
    row_bytes = max(1, 4 * Cg * s[0] * s[1] * Q)
    most = max(1, min(max(BUFFER, 4 * w.size // groups) // row_bytes - below, RUN // Q))
    height = -(-oh // -(-oh // most))  # the fewest bands, then made equal
    shape = (Cg, *s, height + below, Q)
    size = Cg * s[0] * s[1] * shape[3] * Q + Q + OUTPUTS  # junk is read beyond the last run, and dropped
    memory, lines = scratch("bands", (threads, size)), scratch("lines of runs", (threads, ROWS, height * Q + OUTPUTS))
    table = _table(shape, (kh, kw), d)
    _convolve(_ready(x), matrix, _ready(bias), y, groups, table, p, height, shape, memory, lines)
    return y


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
