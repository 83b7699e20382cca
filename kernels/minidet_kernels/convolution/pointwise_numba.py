"""Convolution by 1 x 1 filters and its gradients for float32, compiled: plain matrix products, on Numba's threads.

    y[n]  =  w x[n]            x[n]  =  w^T g[n]            w  =  sum over n of g[n] x[n]^T

BLAS is as fast at a product by itself.  But a network goes from compiled loops to a product and back, and each time the
threads of one library fall asleep and those of the other have to be woken: in a training step a layer took two to three
times as long as alone.

Both factors are laid out in blocks of sixteen columns, (depth, 16), one vector for each step of the sum; ``add_outer``
then makes a block of 16 x 16 results of two blocks, all in registers.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair
from .scratch import scratch
from .winograd_grad_vectors import LANES, add_outer

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: How many blocks of the second factor to keep in the cache while all blocks of the first pass by (measured).
PANELS = 4


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _columns(a, first, out):
    """out[k, j] = a[k, first + j], zero beyond the last column."""
    count = min(LANES, a.shape[1] - first)
    for k in range(len(a)):
        row, to = a[k], out[k]
        if count == LANES:
            for j in range(LANES):
                to[j] = row[first + j]
        else:
            for j in range(count):
                to[j] = row[first + j]
            to[count:] = 0


@njit(cache=True)
def _rows(a, first, out):
    """out[k, i] = a[first + i, k], zero beyond the last row."""
    count = min(LANES, len(a) - first)
    for i in range(count):
        row = a[first + i]
        for k in range(len(row)):
            out[k, i] = row[k]
    for k in range(a.shape[1]):
        out[k, count:] = 0


@njit(cache=True, parallel=True)
def _pack(w, across, U):
    """U (blocks, depth, 16) of the columns of ``w``, or of its rows."""
    for block in prange(len(U)):
        if across:
            _columns(w, LANES * block, U[block])
        else:
            _rows(w, LANES * block, U[block])


@njit(cache=True)
def _write(block, out, row, column):
    """The block (16, 16) to its place, as far as there is one."""
    width = min(LANES, out.shape[1] - column)
    for i in range(min(LANES, len(out) - row)):
        to, line = out[row + i], block[i]
        for j in range(width):
            to[column + j] = line[j]


@njit(cache=True, parallel=True)
def _maps(U, x, start, y, Vs, blocks, threads):
    """y[n] = the first factor, laid out in ``U``, times x[n], plus ``start``; each thread takes some panels."""
    (N, depth, pixels), panels = x.shape, Vs.shape[1]
    groups = (pixels + LANES * panels - 1) // (LANES * panels)
    for thread in prange(threads):
        V, P = Vs[thread], blocks[thread]
        for item in range(N * groups * thread // threads, N * groups * (thread + 1) // threads):
            n, first = item // groups, item % groups * panels
            count = min(panels, (pixels + LANES - 1) // LANES - first)
            for q in range(count):
                _columns(x[n], LANES * (first + q), V[q])
            for block in range(len(U)):
                for q in range(count):
                    for i in range(LANES):
                        P[i] = start[LANES * block + i]
                    add_outer(_address(U[block]), _address(V[q]), _address(P), depth)
                    _write(P, y[n], LANES * block, LANES * (first + q))


@njit(cache=True, parallel=True)
def _pack_maps(a, U):
    """U (blocks, images, pixels, 16) of the channels of ``a`` (images, channels, pixels)."""
    for block in prange(len(U)):
        for n in range(len(a)):
            _rows(a[n], LANES * block, U[block, n])


@njit(cache=True, parallel=True)
def _filters(U, V, w, blocks, threads):
    """The filters w: the products of U (blocks, depth, 16) and V, block by block."""
    for thread in prange(threads):
        P, work = blocks[thread], len(U) * len(V)
        for item in range(work * thread // threads, work * (thread + 1) // threads):
            P[:] = 0
            add_outer(_address(U[item // len(V)]), _address(V[item % len(V)]), _address(P), U.shape[1])
            _write(P, w, LANES * (item // len(V)), LANES * (item % len(V)))


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
    return _times(w.reshape(w.shape[:2]), x, bias, across=False)


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
    return _times(w.reshape(w.shape[:2]), g, None, across=True)


def _times(w: Array, x: Array, bias: Array | None, across: bool) -> Array:
    """``w``, or its transpose if ``across``, times each image of ``x``, plus ``bias``."""
    (N, depth, H, W), rows, threads = x.shape, w.shape[1 if across else 0], get_num_threads()
    U = scratch("gradients at points", (-(-rows // LANES), depth, LANES))
    start = np.zeros(len(U) * LANES, np.float32)
    if bias is not None:
        start[:rows] = bias
    _pack(_ready(w), across, U)
    y = np.empty((N, rows, H, W), np.float32)
    Vs, blocks = scratch("inputs at points", (threads, PANELS, depth, LANES)), scratch("block", (threads, LANES, LANES))
    _maps(U, _ready(x).reshape(N, depth, H * W), start, y.reshape(N, rows, H * W), Vs, blocks, threads)
    return y


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
    (N, C, H, W), O, threads = x.shape, g.shape[1], get_num_threads()
    w = np.empty((O, C), np.float32)
    U = scratch("gradients at points", (-(-O // LANES), N, H * W, LANES))
    V = scratch("inputs at points", (-(-C // LANES), N, H * W, LANES))
    _pack_maps(_ready(g).reshape(N, O, H * W), U)
    _pack_maps(_ready(x).reshape(N, C, H * W), V)
    long = (N * H * W, LANES)
    _filters(U.reshape(len(U), *long), V.reshape(len(V), *long), w, scratch("block", (threads, LANES, LANES)), threads)
    return w.reshape(shape)


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
