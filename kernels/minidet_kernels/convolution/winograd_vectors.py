"""The four kernels of Winograd's F(4 x 4, 3 x 3), each on sixteen tiles or channels at a time (``vectors``).

The transforms are the matrices of ``toom_cook`` written out as sums, along the columns and then along the rows.  The
points come in pairs p, -p.  Their rows of ``B^T`` and ``G`` agree in the even powers and differ by a sign in the odd
ones, so both come from one even and one odd sum; the same holds for the columns of ``A^T``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .toom_cook import F4
from .vectors import (
    BYTES,
    LANES,
    ROWS,
    Builder,
    Value,
    add_product,
    at,
    combine,
    index,
    interleave,
    kernel,
    load,
    load_every,
    load_float,
    repeat,
    splat,
    store,
    zero,
)

N, M = F4.n, F4.m
POINTS = N * N
PAIRS = ((1, 2), (3, 4))

#: Row k + row l and row k - row l, halved, of the pairs (k, l): the even sums and the odd ones.
HALVES = np.eye(N)
for _k, _l in PAIRS:
    HALVES[np.ix_((_k, _l), (_k, _l))] = [[0.5, 0.5], [0.5, -0.5]]


def to_points(b: Builder, matrix: np.ndarray, vectors: list[Value]) -> list[Value]:
    """``matrix @ vectors``, where the matrix is ``B^T`` or ``G``."""
    out = [combine(b, row, vectors) for row in HALVES @ matrix]
    for k, l in PAIRS:
        even, odd = out[k], out[l]
        out[k], out[l] = (join(even, odd, flags=("contract",)) for join in (b.fadd, b.fsub))
    return out


def from_points(b: Builder, vectors: list[Value]) -> list[Value]:
    """``A^T @ vectors``."""
    sums = list(vectors)
    for k, l in PAIRS:
        sums[k], sums[l] = b.fadd(vectors[k], vectors[l]), b.fsub(vectors[k], vectors[l])
    return [combine(b, row, sums) for row in F4.At @ HALVES]


def _inputs(b: Builder, phases: Value, row: Value, column: Value, below: Value, out: Value, point: Value) -> None:
    def tap(i: int, j: int) -> Value:
        address = b.add(phases, b.add(b.mul(row, index(i % M)), b.mul(column, index(j))))
        return load(b, b.add(address, below) if i >= M else address)

    columns = [to_points(b, F4.Bt, [tap(i, j) for i in range(N)]) for j in range(N)]
    for i in range(N):
        for j, value in enumerate(to_points(b, F4.Bt, [column[i] for column in columns])):
            store(b, value, b.add(out, b.mul(point, index(N * i + j))))


@intrinsic
def transform_inputs(context: Any, phases: Any, row: Any, column: Any, below: Any, out: Any, point: Any) -> Any:
    """``B^T x B`` of sixteen tiles of one channel.

    Tap (i, j) of the tiles lies at ``phases + (i % 4) row + j column``, further by ``below`` for i >= 4.  The 36 points
    go to ``out``, ``point`` apart.
    """
    return types.void(*(types.int64,) * 6), kernel("minidet_winograd_inputs", _inputs)


def _filters(b: Builder, w: Value, channel: Value, tap: Value, out: Value, point: Value) -> None:
    def at_tap(u: int, v: int) -> Value:
        return load_every(b, b.add(w, b.mul(tap, index(3 * u + v))), channel)

    taps = [[at_tap(u, v) for v in range(3)] for u in range(3)]
    columns = [to_points(b, F4.G, [taps[u][v] for u in range(3)]) for v in range(3)]
    for i in range(N):
        for j, value in enumerate(to_points(b, F4.G, [column[i] for column in columns])):
            store(b, value, b.add(out, b.mul(point, index(N * i + j))))


@intrinsic
def transform_filters(context: Any, w: Any, channel: Any, tap: Any, out: Any, point: Any) -> Any:
    """``G w G^T`` of sixteen channels of one filter.

    ``w`` is the first tap of the first; channels lie ``channel`` apart, taps ``tap`` and the 36 points ``point``.
    """
    return types.void(*(types.int64,) * 5), kernel("minidet_winograd_filters", _filters)


def _outputs(b: Builder, points: Value, point: Value, bias: Value, out: Value) -> None:
    def at_point(i: int, j: int) -> Value:
        return load(b, b.add(points, b.mul(point, index(N * i + j))))

    start = splat(b, bias)
    columns = [from_points(b, [at_point(i, j) for i in range(N)]) for j in range(N)]
    for i in range(M):
        values = [b.fadd(v, start) for v in from_points(b, [column[i] for column in columns])]
        for k, part in enumerate(interleave(b, values)):
            store(b, part, at(b, out, BYTES * (M * i + k)))


@intrinsic
def transform_outputs(context: Any, points: Any, point: Any, bias: Any, out: Any) -> Any:
    """``A^T M A + bias`` of sixteen tiles of one filter: four rows of 64 outputs, the tiles side by side."""
    signature = types.void(types.int64, types.int64, types.float32, types.int64)
    return signature, kernel("minidet_winograd_outputs", _outputs)


def _product(b: Builder, u: Value, row: Value, v: Value, out: Value, depth: Value) -> None:
    unroll = 4
    rows = [b.add(u, b.mul(row, index(r))) for r in range(ROWS)]

    def step(k: int, state: list[Value]) -> list[Value]:
        *pointers, right = state[: ROWS + 1]
        vector = load(b, at(b, right, BYTES * k))
        sums = [
            add_product(b, total, splat(b, load_float(b, at(b, pointer, 4 * k))), vector)
            for pointer, total in zip(pointers, state[ROWS + 1 :], strict=True)
        ]
        return [*pointers, right, *sums]

    def steps(count: int) -> Any:
        def body(_: Value, state: list[Value]) -> list[Value]:
            for k in range(count):
                state = step(k, state)
            *pointers, right = state[: ROWS + 1]
            return [*(at(b, p, 4 * count) for p in pointers), at(b, right, BYTES * count), *state[ROWS + 1 :]]

        return body

    state = repeat(b, b.udiv(depth, index(unroll)), [*rows, v, *[zero()] * ROWS], steps(unroll))
    state = repeat(b, b.urem(depth, index(unroll)), state, steps(1))
    for r, total in enumerate(state[ROWS + 1 :]):
        store(b, total, at(b, out, BYTES * r))


@intrinsic
def product(context: Any, u: Any, row: Any, v: Any, out: Any, depth: Any) -> Any:
    """``out`` (ROWS, 16) = ``u`` (ROWS, depth), its rows ``row`` apart, times ``v`` (depth, 16).

    All sums stay in registers; one step loads one vector of ``v`` and repeats one number of each row of ``u``.
    """
    return types.void(*(types.int64,) * 5), kernel("minidet_winograd_product", _product)


__all__ = ["LANES", "POINTS", "ROWS", "product", "transform_filters", "transform_inputs", "transform_outputs"]
