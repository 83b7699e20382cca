"""The kernels of Winograd's F(4 x 4, 3 x 3) with the channels last: each on sixteen channels of one tile at a time.

The sums are those of ``convolution.winograd_vectors``, where a vector is sixteen tiles of one channel.  But there the
products of distances divide the rows of ``G``, and here those of ``B^T``: since many more filters are transformed than
tiles, and (1, p, p^2) takes 8 operations for all six points, where the divided rows take 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..toom_cook import F4
from ..vectors import BYTES, Builder, Value, at, constant, index, kernel, load, repeat, splat, store
from ..winograd_vectors import M, N, from_points, to_points
from .tiles import LINE, VECTORS, bend, prefetch

_DISTANCES = np.append(1 / F4.G[:-1, 0], 1.0)[:, None]  # the first entry of a row is 1 / distances; infinity has none
G, BT = F4.G * _DISTANCES, F4.Bt / _DISTANCES


def _inputs(b: Builder, x: Value, row: Value, pixel: Value, v: Value, point: Value, vectors: Value) -> None:
    rows = [b.add(x, b.mul(row, index(i))) for i in range(N)]
    columns = [b.mul(pixel, index(j)) for j in range(N)]

    def body(k: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(k, index(BYTES))

        def tap(i: int, j: int) -> Value:
            return load(b, b.add(b.add(rows[i], shift), columns[j]))

        halves = [to_points(b, BT, [tap(i, j) for i in range(N)]) for j in range(N)]
        for i in range(N):
            for j, value in enumerate(to_points(b, BT, [half[i] for half in halves])):
                store(b, value, b.add(b.add(v, shift), b.mul(point, index(N * i + j))))
        return state

    repeat(b, vectors, [], body)


@intrinsic
def transform_inputs(context: Any, x: Any, row: Any, pixel: Any, v: Any, point: Any, vectors: Any) -> Any:
    """``B^T x B`` of all channels, ``vectors`` of sixteen, of the tile whose first pixel is at ``x``.

    The 36 points go to ``v``, ``point`` bytes apart, the channels of each side by side.
    """
    return types.void(*(types.int64,) * 6), kernel("minidet_packed_winograd_inputs", _inputs)


def _filters(b: Builder, w: Value, u: Value, point: Value, channels: Value) -> None:
    def body(c: Value, state: list[Value]) -> list[Value]:
        w, u = state
        for j in range(9 * VECTORS):
            prefetch(b, at(b, w, 9 * LINE * 8 + BYTES * j))
        for j in range(VECTORS):
            taps = [[load(b, at(b, w, LINE * (3 * i + k) + BYTES * j)) for k in range(3)] for i in range(3)]
            halves = [to_points(b, G, [taps[i][k] for i in range(3)]) for k in range(3)]
            for i in range(N):
                for k, value in enumerate(to_points(b, G, [half[i] for half in halves])):
                    store(b, value, b.add(at(b, u, BYTES * j), b.mul(point, index(N * i + k))))
        return [at(b, w, 9 * LINE), at(b, u, LINE)]

    repeat(b, channels, [w, u], body)


@intrinsic
def transform_filters(context: Any, w: Any, u: Any, point: Any, channels: Any) -> Any:
    """``G w G^T`` of some channels of a panel: w (channels, 9, COLUMNS) to u, 36 x (channels, COLUMNS)."""
    return types.void(*(types.int64,) * 4), kernel("minidet_packed_winograd_filters", _filters)


def _outputs(
    b: Builder, m: Value, y: Value, row: Value, pixel: Value, height: Value, width: Value, bias: Value,
    r: Value, r_row: Value, r_pixel: Value, after: Value, nowhere: Value, slope: Value,
) -> None:  # fmt: skip
    factor, late = splat(b, slope), b.icmp_signed("!=", after, index(0))
    given = b.icmp_signed("!=", r, index(0))
    outs, others = [], []
    for i in range(M):
        for j in range(M):
            inside = b.and_(b.icmp_signed(">", height, index(i)), b.icmp_signed(">", width, index(j)))
            here = b.add(y, b.add(b.mul(row, index(i)), b.mul(pixel, index(j))))
            there = b.add(r, b.add(b.mul(r_row, index(i)), b.mul(r_pixel, index(j))))
            outs.append(b.select(inside, here, nowhere))
            others.append(b.select(b.and_(inside, given), there, nowhere))

    def body(k: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(k, index(BYTES))

        def at_point(i: int, j: int) -> Value:
            return load(b, b.add(at(b, m, LINE * (N * i + j)), shift))

        start = load(b, b.add(bias, shift))
        halves = [from_points(b, [at_point(i, j) for i in range(N)]) for j in range(N)]
        for i in range(M):
            for j, value in enumerate(from_points(b, [half[i] for half in halves])):
                value = b.fadd(value, start)
                more = b.select(given, load(b, b.add(others[M * i + j], shift)), constant(0))
                value = bend(b, b.select(late, value, b.fadd(value, more)), factor)
                value = b.select(late, b.fadd(value, more), value)
                store(b, value, b.add(outs[M * i + j], shift))
        return state

    repeat(b, index(VECTORS), [], body)


@intrinsic
def transform_outputs(
    context: Any, m: Any, y: Any, row: Any, pixel: Any, height: Any, width: Any, bias: Any,
    r: Any, r_row: Any, r_pixel: Any, after: Any, nowhere: Any, slope: Any,
) -> Any:  # fmt: skip
    """``A^T M A`` of one tile and panel, m (36, COLUMNS), with bias, residual and a bend, to the map at ``y``.

    Only ``height`` by ``width`` pixels of the tile are on the map; what is beyond them is written to ``nowhere``.
    """
    return types.void(*(types.int64,) * 12, types.float32), kernel("minidet_packed_winograd_outputs", _outputs)
