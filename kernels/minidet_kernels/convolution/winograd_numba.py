"""Winograd's F(4 x 4, 3 x 3) for float32, compiled: what ``winograd`` does, without its copies.

The tiles of an image are numbered row by row and taken sixteen at a time, a panel.  Two passes, each on all threads:

1. Inputs, a channel at a time.  Its plane is laid out by phases, every fourth pixel, so that one tap of sixteen
   tiles is one vector.  ``V[panel, point, c]`` is then one cache line.
2. Filters, ROWS of them at a time, a group.  Their ``U[point, o, c]`` is made on the spot and stays in the cache,
   while each panel is multiplied, 36 times (ROWS, C) by (C, 16), and its outputs are finished and written.

Where ``winograd`` moves whole transformed arrays through memory, here ``V`` is a few megabytes at most (a block of tile
rows, or several images), ``U`` one group's, and the products of a panel are consumed as soon as they are made.

So the filters are read once per call and block, transformed where they are used, and nothing of them is kept.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, Pair, out_sizes, pair
from .im2col import blocks
from .scratch import scratch
from .winograd_vectors import (
    LANES,
    POINTS,
    ROWS,
    product,
    transform_filters,
    transform_inputs,
    transform_outputs,
)

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: About how many bytes of transformed inputs to make at a time, and of transformed filters per thread (measured).
BUFFER, FILTERS = 2**23, 2**19


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _lay_out(plane, phases, first, columns, p):
    """phases[i, j, t columns + s] = padded plane[4 (first + t) + i, 4 s + j], i < 4, j < 6."""
    H, W = plane.shape
    rows = phases.shape[2] // columns
    for i in range(4):
        for t in range(rows):
            r = 4 * (first + t) + i - p[0]
            for j in range(6):
                out = phases[i, j, t * columns : (t + 1) * columns]
                if r < 0 or r >= H:
                    out[:] = 0
                    continue
                left = j - p[1]  # the pixel of the first tile
                a = min(columns, max(0, -(left // 4)))
                b = max(a, min(columns, (W - 1 - left) // 4 + 1))
                out[:a] = 0
                row = plane[r]
                for s in range(a, b):
                    out[s] = row[4 * s + left]
                out[b:] = 0


@njit(cache=True, parallel=True)
def _inputs(x, V, phases, panels, first, columns, p, threads):
    """Pass 1.  V (images * panels, 36, C or one more, 16)."""
    C, line = x.shape[1], LANES * 4
    work = len(x) * C
    size = phases.shape[3]
    for thread in prange(threads):
        mine = phases[thread]
        start = _address(mine)
        for item in range(work * thread // threads, work * (thread + 1) // threads):
            n, c = item // C, item % C
            _lay_out(x[n, c], mine[:, :, : size - LANES], first, columns, p)
            for q in range(panels):
                out = _address(V[n * panels + q]) + c * line
                transform_inputs(start + q * line, 24 * size, 4 * size, 4 * columns, out, V.shape[2] * line)


@njit(cache=True)
def _group(w, U, tail, o, C, adjoint):
    """U (36, ROWS * groups, Cp) of the filters from ``o`` on, of ``C`` channels each.

    ``adjoint``: channels and filters change places, and each filter is turned around.
    """
    many, whole, first = w.shape[1], C - C % LANES, _address(w)
    for r in range(min(U.shape[1], (many if adjoint else len(w)) - o)):
        out, point = _address(U[0, r]), U.shape[1] * U.shape[2] * 4
        if adjoint:
            start, channel, tap = first + 36 * (o + r) + 32, 36 * many, -4
        else:
            start, channel, tap = first + 36 * many * (o + r), 36, 4
        for c in range(0, whole, LANES):
            transform_filters(start + channel * c, channel, tap, out + 4 * c, point)
        if whole < C:  # the channels that do not fill a vector
            for c in range(whole, C):
                for t in range(9):
                    from_w = w[c, o + r, 2 - t // 3, 2 - t % 3] if adjoint else w[o + r, c, t // 3, t % 3]
                    tail[9 * (c - whole) + t] = from_w
            transform_filters(_address(tail), 36, 4, out + 4 * whole, point)


@njit(cache=True)
def _write(lines, plane, q, first, rows, columns):
    """The outputs (4, 64) of a panel's sixteen tiles to their places in the plane."""
    oh, ow = plane.shape
    t, end = q * LANES, min((q + 1) * LANES, rows * columns)
    while t < end:
        row, s = t // columns, t % columns
        count = min(columns - s, end - t)
        width = min(4 * count, ow - 4 * s)
        for i in range(min(4, oh - 4 * (first + row))):
            out = plane[4 * (first + row) + i, 4 * s : 4 * s + width]
            line = lines[i, 4 * (t - q * LANES) :]
            for k in range(width):
                out[k] = line[k]
        t += count


@njit(cache=True, parallel=True)
def _outputs(V, w, bias, y, C, adjoint, Us, tails, Ms, lines, panels, first, rows, columns, threads):
    """Pass 2.  Us (threads, 36, filters at a time, Cp), Ms (threads, 36, filters at a time, 16)."""
    O, step, line = len(bias), Us.shape[2], LANES * 4
    work = (O + step - 1) // step
    for thread in prange(threads):
        U, M, four = Us[thread], Ms[thread], lines[thread]
        for item in range(work * thread // threads, work * (thread + 1) // threads):
            o = item * step
            _group(w, U, tails[thread], o, C, adjoint)
            filters = min(step, O - o)
            for panel in range(len(V)):
                for point in range(POINTS):
                    v = _address(V[panel, point])
                    for r in range(0, filters, ROWS):
                        product(_address(U[point, r]), 4 * U.shape[2], v, _address(M[point, r]), C)
                n, q = panel // panels, panel % panels
                for r in range(filters):
                    transform_outputs(_address(M[0, r]), step * line, bias[o + r], _address(four))
                    _write(four, y[n, o + r], q, first, rows, columns)


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
    return _convolve(x, w, np.zeros(len(w), np.float32) if bias is None else bias, pair(padding))


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
    """See ``minidet_kernels.convolution.conv2d_grad_x``: a convolution too, by the filters turned around."""
    ph, pw = pair(padding)
    return _convolve(g, w, np.zeros(shape[1], np.float32), (2 - ph, 2 - pw), adjoint=True)


def _convolve(x: Array, w: Array, bias: Array, p: Pair, adjoint: bool = False) -> Array:
    """``conv2d`` by ``w``, or by its channels as filters, turned around."""
    (N, C, _, _), O = x.shape, len(bias)
    oh, ow = out_sizes(x.shape, w.shape, 1, p, 1)
    y = np.empty((N, O, oh, ow), np.float32)
    if not C:
        y[...] = bias[:, None, None]
        return y
    x, w, bias, tiles = _ready(x), _ready(w), _ready(bias), (-(-oh // 4), -(-ow // 4))
    for block in blocks((N, C, 6, 6, *tiles), 4, BUFFER):
        _block(x[block.images], w, bias, y[block.images], block.rows, tiles[1], p, adjoint)
    return y


def _block(x: Array, w: Array, bias: Array, y: Array, rows: slice, columns: int, p: Pair, adjoint: bool) -> None:
    """Some rows of tiles, of some images."""
    (images, C), O, height, threads = x.shape[:2], len(bias), rows.stop - rows.start, get_num_threads()
    panels = -(-height * columns // LANES)
    # An odd number of lines from point to point: else the 36 lines of a tile would all fall in one set of the cache.
    V = scratch("V", (images * panels, POINTS, C | 1, LANES))
    phases = scratch("phases", (threads, 4, 6, (height + 1) * columns + LANES))
    _inputs(x, V, phases, panels, rows.start, columns, p, threads)
    Cp = -(-C // LANES) * LANES + LANES
    most = max(1, FILTERS // (POINTS * ROWS * Cp * 4))  # groups at a time
    step = ROWS * min(most, max(1, O // (2 * ROWS * threads)))
    Us, Ms = scratch("U", (threads, POINTS, step, Cp)), scratch("M", (threads, POINTS, step, LANES))
    tails, lines = scratch("tails", (threads, 9 * LANES)), scratch("lines", (threads, 4, 4 * LANES))
    _outputs(V, w, bias, y, C, adjoint, Us, tails, Ms, lines, panels, rows.start, height, columns, threads)


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
