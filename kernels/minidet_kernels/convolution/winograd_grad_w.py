"""The gradient of 3 x 3 filters by Winograd's F(4 x 4, 3 x 3), for float32, compiled.

The convolution of a tile is linear in the filter, ``y = A^T [(G w G^T) * (B^T x B)] A``, so its gradient by ``w`` is
the transpose of that, and the sum over the tiles can be taken at the points, where it is a matrix product:

    P[p, o, c]  =  sum over tiles t of  (A g A^T)[p, o, t] * (B^T x B)[p, c, t]        w  =  G^T P G

That is 36 products for the 144 of the formula.  Sixteen channels are one vector here, and so are sixteen filters: for
a block of tiles, both maps are laid out with their channels last, a row of tiles (a strip) at a time, and carried to
the points; then each block of 16 x 16 filters and channels adds up its 36 products of (16, tiles) by (tiles, 16), all
its sums in registers.

Where there are few filters and channels, hence many tiles, each part of the tiles is summed by one thread, start to
end, and the parts are added; else the threads share the blocks of filters and channels.  Both give the same bits
however many threads there are, and no two threads write to one place.

Rounding: as for ``winograd``, an output is off by at most

    u (tiles + q(B^T) + q(A) + q(G^T) + 2)   times   |G^T| [ sum_t (|A| |g| |A^T|) * (|B^T| |x| |B|) ] |G|

A NaN or an infinity in a channel of ``x``, or a filter of ``g``, reaches all nine taps of all its filters, or channels.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, pair
from .scratch import scratch
from .winograd_grad_vectors import (
    LANES,
    POINTS,
    add_outer,
    taps_of_points,
    tile_of_gradients,
    tile_of_inputs,
    transpose,
)

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: About how many tiles to sum at a time: 36 points of sixteen channels of them are half a megabyte (measured).
TILES = 208
#: In how many parts to sum the tiles where there are at most so many blocks of 16 x 16 filters and channels.
PARTS, FEW = 16, 8


@njit(cache=True)
def _address(a):
    """Where the array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)


@njit(cache=True)
def _lay_out(maps, n, c, first, left, out, table, edges):
    """out[r, left + j, k] = maps[n, c + k, first + r, j], zero where there is no such pixel or channel.

    Written in whole vectors of pixels, so a row spills into the next one, which is written after it.  ``table`` (16,)
    is for addresses, ``edges`` (17, W rounded up) for zeros, and for rows whose last vector would be read from beyond
    the end of ``maps``.
    """
    _, C, H, W = maps.shape
    start, size = _address(maps), maps.size
    line, row = 4 * LANES, 4 * LANES * out.shape[1]
    whole = -(-W // LANES) * LANES
    edges[LANES] = 0
    for r in range(len(out)):
        if first + r < 0 or first + r >= H:
            out[r] = 0
            continue
        for k in range(LANES):
            if c + k >= C:
                table[k] = _address(edges[LANES])
                continue
            at = ((n * C + c + k) * H + first + r) * W
            if at + whole <= size:
                table[k] = start + 4 * at
            else:
                for j in range(W):
                    edges[k, j] = maps[n, c + k, first + r, j]
                table[k] = _address(edges[k])
        out[r, :left] = 0
        to = _address(out) + r * row + left * line
        for j in range(0, W, LANES):
            transpose(_address(table), 4 * j, to + j * line)
        out[r, left + W :] = 0


@njit(cache=True)
def _strip(x, strip, rows, columns, block, V, t, p, buffer, table, edges):
    """Carry a strip's inputs of sixteen channels to the points V (36, tiles, 16), from tile ``t`` on."""
    width = 4 * columns + 2
    pixels = buffer[: 6 * width * LANES].reshape(6, width, LANES)
    _lay_out(x, strip // rows, LANES * block, 4 * (strip % rows) - p[0], p[1], pixels, table, edges)
    line = 4 * LANES
    for s in range(columns):
        to = _address(V) + (t + s) * line
        tile_of_inputs(_address(pixels) + 4 * s * line, width * line, to, V.shape[1] * line)


@njit(cache=True)
def _strip_of_gradients(g, strip, rows, columns, block, V, t, buffer, table, edges):
    """The same for the gradients of sixteen filters."""
    width = 4 * columns
    pixels = buffer[: 4 * width * LANES].reshape(4, width, LANES)
    _lay_out(g, strip // rows, LANES * block, 4 * (strip % rows), 0, pixels, table, edges)
    line = 4 * LANES
    for s in range(columns):
        to = _address(V) + (t + s) * line
        tile_of_gradients(_address(pixels) + 4 * s * line, width * line, to, V.shape[1] * line)


@njit(cache=True)
def _multiply(U, V, P, tiles):
    """P (36, 16, 16) += the products of U (36, tiles, 16) and V (36, tiles, 16)."""
    for point in range(POINTS):
        add_outer(_address(U[point]), _address(V[point]), _address(P[point]), tiles)


@njit(cache=True)
def _write_taps(P, w, o, c, taps, more):
    """Write ``G^T P G`` to the filters ``o`` and channels ``c`` onwards, or add it to what is there."""
    for k in range(min(LANES, len(w) - o)):
        taps_of_points(_address(P) + 4 * LANES * k, 4 * LANES * LANES, _address(taps))
        out = w[o + k].reshape(w.shape[1] * 9)[9 * c :]
        for lane in range(min(LANES, w.shape[1] - c)):
            for t in range(9):
                out[9 * lane + t] = taps[t, lane] + (out[9 * lane + t] if more else np.float32(0))


@njit(cache=True, parallel=True)
def _sum_parts(x, g, rows, columns, step, p, Us, Vs, Ps, buffers, tables, edges, threads):
    """P of each part of the strips.

    Us, Vs (threads, blocks, 36, tiles, 16), Ps (parts, blocks, blocks, 36, 16, 16).
    """
    strips, parts = len(x) * rows, len(Ps)
    for thread in prange(threads):
        U, V, buffer, table, edge = Us[thread], Vs[thread], buffers[thread], tables[thread], edges[thread]
        for part in range(parts * thread // threads, parts * (thread + 1) // threads):
            P = Ps[part]
            P[:] = 0
            end = strips * (part + 1) // parts
            for first in range(strips * part // parts, end, step):
                count = min(step, end - first)
                for s in range(count):
                    for block in range(len(V)):
                        _strip(x, first + s, rows, columns, block, V[block], s * columns, p, buffer, table, edge)
                    for block in range(len(U)):
                        _strip_of_gradients(
                            g, first + s, rows, columns, block, U[block], s * columns, buffer, table, edge
                        )
                for block in range(len(U)):
                    for other in range(len(V)):
                        _multiply(U[block], V[other], P[block, other], count * columns)


@njit(cache=True, parallel=True)
def _to_points(x, g, first, count, rows, columns, p, U, V, buffers, tables, edges, threads):
    """U (blocks, 36, tiles, 16) and V of some strips, on all threads."""
    blocks = len(U) + len(V)
    work = count * blocks
    for thread in prange(threads):
        buffer, table, edge = buffers[thread], tables[thread], edges[thread]
        for item in range(work * thread // threads, work * (thread + 1) // threads):
            s, block = item // blocks, item % blocks
            if block < len(V):
                _strip(x, first + s, rows, columns, block, V[block], s * columns, p, buffer, table, edge)
            else:
                block -= len(V)
                _strip_of_gradients(g, first + s, rows, columns, block, U[block], s * columns, buffer, table, edge)


@njit(cache=True, parallel=True)
def _products(U, V, tiles, w, Ps, taps, more, threads):
    """Write the gradients of these tiles to ``w``, or add them, on all threads: each takes some blocks of 16 x 16."""
    groups = (len(U) + Ps.shape[1] - 1) // Ps.shape[1]
    work = groups * len(V)
    for thread in prange(threads):
        P = Ps[thread]
        for item in range(work * thread // threads, work * (thread + 1) // threads):
            group, other = item // len(V), item % len(V)
            blocks = min(len(P), len(U) - group * len(P))
            P[:blocks] = 0
            for point in range(POINTS):
                for k in range(blocks):
                    u = _address(U[group * len(P) + k, point])
                    add_outer(u, _address(V[other, point]), _address(P[k, point]), tiles)
            for k in range(blocks):
                _write_taps(P[k], w, LANES * (group * len(P) + k), LANES * other, taps[thread], more)


@njit(cache=True, parallel=True)
def _join_parts(Ps, w, taps, threads):
    """Write the sum of the parts to ``w``: P of all of them in the first, and back from the points."""
    blocks, others = Ps.shape[1:3]
    for thread in prange(threads):
        for item in range(blocks * others * thread // threads, blocks * others * (thread + 1) // threads):
            P = Ps[0, item // others, item % others]
            for part in range(1, len(Ps)):
                P += Ps[part, item // others, item % others]
            _write_taps(P, w, LANES * (item // others), LANES * (item % others), taps[thread], False)


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
    w = np.empty(shape, np.float32)
    (N, O, oh, ow), (_, C, _, W) = g.shape, x.shape
    rows, columns = -(-oh // 4), -(-ow // 4)
    strips = N * rows
    if not (w.size and strips * columns):
        w[...] = 0
        return w
    x, g, p, threads = _ready(x), _ready(g), pair(padding), get_num_threads()
    blocks, others = -(-O // LANES), -(-C // LANES)
    step = min(strips, max(1, TILES // columns))
    room = (step * columns) | 1  # an odd number of lines from point to point, for the sets of the cache
    buffers = scratch("pixels", (threads, 6 * (4 * columns + 2) * LANES + LANES * LANES))
    edges = scratch("edges", (threads, LANES + 1, -(-max(W, ow) // LANES) * LANES))
    tables, taps = np.empty((threads, LANES), np.int64), scratch("taps", (threads, 9, LANES))
    if blocks * others <= FEW:
        Us = scratch("gradients at points", (threads, blocks, POINTS, room, LANES))
        Vs = scratch("inputs at points", (threads, others, POINTS, room, LANES))
        Ps = scratch("products", (min(PARTS, strips), blocks, others, POINTS, LANES, LANES))
        _sum_parts(x, g, rows, columns, step, p, Us, Vs, Ps, buffers, tables, edges, threads)
        _join_parts(Ps, w, taps, threads)
        return w
    U = scratch("gradients at points", (blocks, POINTS, room, LANES))
    V = scratch("inputs at points", (others, POINTS, room, LANES))
    Ps = scratch("products", (threads, min(4, blocks), POINTS, LANES, LANES))
    for first in range(0, strips, step):
        count = min(step, strips - first)
        _to_points(x, g, first, count, rows, columns, p, U, V, buffers, tables, edges, threads)
        _products(U, V, count * columns, w, Ps, taps, first > 0, threads)
    return w


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
