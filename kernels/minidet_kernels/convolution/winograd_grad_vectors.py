"""The kernels of Winograd's gradient of the filters, each on sixteen channels or filters at a time (``vectors``).

The transforms are those of ``winograd_vectors`` and their transposes; here the sixteen lanes are channels, so that a
pixel of sixteen channels is one vector, and ``transpose`` brings it about.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .toom_cook import F4
from .vectors import (
    BYTES,
    INDEX,
    LANES,
    ROWS,
    Builder,
    Value,
    add_product,
    at,
    combine,
    index,
    kernel,
    load,
    load_float,
    repeat,
    shuffle,
    splat,
    store,
)
from .winograd_vectors import HALVES, PAIRS, POINTS, M, N, to_points

#: How many rows of the product of sixteen by sixteen to hold in registers at a time.
HELD = LANES if ROWS == 8 else 4


def swapped(b: Builder, vectors: list[Value]) -> list[Value]:
    """The transpose of 16 x 16 numbers: in blocks of 8, 4, 2 and 1, the upper right and the lower left swap places."""
    size = LANES // 2
    while size:
        upper = [LANES + (lane ^ size) if lane & size else lane for lane in range(LANES)]
        lower = [LANES + lane if lane & size else lane | size for lane in range(LANES)]
        for i in range(LANES):
            if not i & size:
                first, second = vectors[i], vectors[i | size]
                vectors[i], vectors[i | size] = shuffle(b, first, second, upper), shuffle(b, first, second, lower)
        size //= 2
    return vectors


def _transpose(b: Builder, rows: Value, offset: Value, out: Value) -> None:
    def address(k: int) -> Value:
        return b.add(b.load(b.inttoptr(at(b, rows, 8 * k), ir.PointerType(INDEX)), align=8), offset)

    for k, value in enumerate(swapped(b, [load(b, address(k)) for k in range(LANES)])):
        store(b, value, at(b, out, BYTES * k))


@intrinsic
def transpose(context: Any, rows: Any, offset: Any, out: Any) -> Any:
    """Sixteen pixels of sixteen channels, whose addresses stand in a table at ``rows``: ``out`` (pixels, channels)."""
    return types.void(*(types.int64,) * 3), kernel("minidet_transpose", _transpose)


def _tile(side: int, matrix: np.ndarray) -> Any:
    """The kernel that carries tiles of ``side`` x ``side`` pixels to the points: ``matrix @ tile @ matrix.T``."""

    def build(b: Builder, pixels: Value, row: Value, out: Value, point: Value) -> None:
        def pixel(i: int, j: int) -> Value:
            return load(b, at(b, b.add(pixels, b.mul(row, index(i))), BYTES * j))

        columns = [to_points(b, matrix, [pixel(i, j) for i in range(side)]) for j in range(side)]
        for i in range(N):
            for j, value in enumerate(to_points(b, matrix, [column[i] for column in columns])):
                store(b, value, b.add(out, b.mul(point, index(N * i + j))))

    return build


@intrinsic
def tile_of_inputs(context: Any, pixels: Any, row: Any, out: Any, point: Any) -> Any:
    """``B^T x B`` of a tile of 6 x 6 pixels, its rows ``row`` apart; the points go to ``out``, ``point`` apart."""
    return types.void(*(types.int64,) * 4), kernel("minidet_winograd_grad_inputs", _tile(N, F4.Bt))


@intrinsic
def tile_of_gradients(context: Any, pixels: Any, row: Any, out: Any, point: Any) -> Any:
    """``A g A^T`` of a tile of 4 x 4 pixels, likewise."""
    return types.void(*(types.int64,) * 4), kernel("minidet_winograd_grad_outputs", _tile(M, F4.At.T))


def _outer(b: Builder, u: Value, v: Value, out: Value, depth: Value) -> None:
    for first in range(0, LANES, HELD):
        rows = range(first, first + HELD)

        def step(_: Value, state: list[Value], rows: range = rows) -> list[Value]:
            left, right, *sums = state
            vector = load(b, right)
            sums = [
                add_product(b, total, splat(b, load_float(b, at(b, left, 4 * r))), vector)
                for r, total in zip(rows, sums, strict=True)
            ]
            return [at(b, left, BYTES), at(b, right, BYTES), *sums]

        sums = [load(b, at(b, out, BYTES * r)) for r in rows]
        state = repeat(b, depth, [u, v, *sums], step)
        for r, total in zip(rows, state[2:], strict=True):
            store(b, total, at(b, out, BYTES * r))


@intrinsic
def add_outer(context: Any, u: Any, v: Any, out: Any, depth: Any) -> Any:
    """``out`` (16, 16) += the transpose of ``u`` (depth, 16), times ``v`` (depth, 16)."""
    return types.void(*(types.int64,) * 4), kernel("minidet_winograd_grad_outer", _outer)


def _back(b: Builder, vectors: list[Value]) -> list[Value]:
    """``G^T @ vectors``."""
    sums = list(vectors)
    for k, l in PAIRS:
        sums[k], sums[l] = b.fadd(vectors[k], vectors[l]), b.fsub(vectors[k], vectors[l])
    return [combine(b, row, sums) for row in F4.G.T @ HALVES]


def _taps(b: Builder, points: Value, point: Value, out: Value) -> None:
    def at_point(i: int, j: int) -> Value:
        return load(b, b.add(points, b.mul(point, index(N * i + j))))

    columns = [_back(b, [at_point(i, j) for i in range(N)]) for j in range(N)]
    for u in range(3):
        for v, value in enumerate(_back(b, [column[u] for column in columns])):
            store(b, value, at(b, out, BYTES * (3 * u + v)))


@intrinsic
def taps_of_points(context: Any, points: Any, point: Any, out: Any) -> Any:
    """``G^T P G`` of sixteen channels of one filter: ``out`` (9, 16)."""
    return types.void(*(types.int64,) * 3), kernel("minidet_winograd_grad_taps", _taps)


__all__ = [
    "LANES",
    "POINTS",
    "add_outer",
    "taps_of_points",
    "tile_of_gradients",
    "tile_of_inputs",
    "transpose",
]
