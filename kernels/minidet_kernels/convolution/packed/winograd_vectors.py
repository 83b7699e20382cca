"""The kernels of the packed Winograd schemes, with the channels last: each on sixteen channels of one tile at a time.

A kernel is written once and built for each of ``SCHEMES``; which of them runs is the last argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from ..vectors import BYTES, Builder, Value, at, constant, define, index, kernel, load, repeat, splat, store
from .schemes import SCHEMES, Scheme
from .tiles import LINE, VECTORS, bend, prefetch


def _each(name: str, build: Callable[..., None]) -> Callable[..., Any]:
    """The code generator of an intrinsic whose last argument is the number of the scheme."""

    def generate(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
        *arguments, number = arguments
        done = b.append_basic_block("done")
        choice = b.switch(number, done)
        for k, scheme in enumerate(SCHEMES):
            block = b.append_basic_block(f"scheme{k}")
            choice.add_case(index(k), block)
            b.position_at_end(block)

            def one(inner: Builder, *values: Value, scheme: Scheme = scheme) -> None:
                build(scheme, inner, *values)

            b.call(define(b, f"{name}_{k}", arguments, one), arguments)
            b.branch(done)
        b.position_at_end(done)
        return context.get_dummy_value()

    return generate


def _inputs(s: Scheme, b: Builder, x: Value, row: Value, pixel: Value, v: Value, point: Value, vectors: Value) -> None:
    rows = [b.add(x, b.mul(row, index(i))) for i in range(s.reach)]
    columns = [b.mul(pixel, index(j)) for j in range(s.reach + 1)]

    def body(k: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(k, index(BYTES))

        def tap(i: int, j: int) -> Value:
            here = b.add(b.add(rows[i], shift), columns[j])
            prefetch(b, b.add(here, columns[s.stride * s.m]))
            return load(b, here)

        halves = [s.inputs(b, [tap(i, j) for i in range(s.reach)]) for j in range(s.reach)]
        axes = [s.inputs(b, [half[e] for half in halves]) for e in range(len(s.phases))]
        here = b.add(v, shift)
        for e, f in (pair for group in s.groups for pair in group):
            store(b, axes[e][f], here)
            here = b.add(here, point)
        return state

    repeat(b, vectors, [], body)


@intrinsic
def transform_inputs(context: Any, x: Any, row: Any, pixel: Any, v: Any, point: Any, vectors: Any, scheme: Any) -> Any:
    """``B x B^T`` of all channels, ``vectors`` of sixteen, of the tile whose first pixel is at ``x``.

    The pairs of phases go to ``v`` in the order of the scheme's groups, ``point`` bytes apart, the channels of each
    side by side.
    """
    return types.void(*(types.int64,) * 7), _each("minidet_packed_winograd_inputs", _inputs)


def _filters(s: Scheme, b: Builder, w: Value, u: Value, phase: Value, channels: Value) -> None:
    def body(c: Value, state: list[Value]) -> list[Value]:
        w, u = state
        for j in range(9 * VECTORS):
            prefetch(b, at(b, w, 9 * LINE * 8 + BYTES * j))
        for j in range(VECTORS):
            taps = [[load(b, at(b, w, LINE * (3 * i + k) + BYTES * j)) for k in range(3)] for i in range(3)]
            halves = [s.filters(b, [taps[i][k] for i in range(3)]) for k in range(3)]
            here = at(b, u, BYTES * j)
            for e in range(len(s.taps)):
                for value in s.filters(b, [half[e] for half in halves]):
                    store(b, value, here)
                    here = b.add(here, phase)
        return [at(b, w, 9 * LINE), at(b, u, LINE)]

    repeat(b, channels, [w, u], body)


@intrinsic
def transform_filters(context: Any, w: Any, u: Any, phase: Any, channels: Any, scheme: Any) -> Any:
    """``F w F^T`` of some channels of a panel: w (channels, 9, COLUMNS) to u, (channels, COLUMNS) for each phase pair.

    Those of one point lie side by side, ``phase`` bytes each; ``GAP`` more from point to point.
    """
    return types.void(*(types.int64,) * 5), _each("minidet_packed_winograd_filters", _filters)


def _outputs(
    s: Scheme, b: Builder, m: Value, y: Value, row: Value, pixel: Value, height: Value, width: Value, bias: Value,
    r: Value, r_row: Value, r_pixel: Value, after: Value, nowhere: Value, slope: Value,
) -> None:  # fmt: skip
    factor, late = splat(b, slope), b.icmp_signed("!=", after, index(0))
    given = b.icmp_signed("!=", r, index(0))
    outs, others = [], []
    for i in range(s.m):
        for j in range(s.m):
            inside = b.and_(b.icmp_signed(">", height, index(i)), b.icmp_signed(">", width, index(j)))
            here = b.add(y, b.add(b.mul(row, index(i)), b.mul(pixel, index(j))))
            there = b.add(r, b.add(b.mul(r_row, index(i)), b.mul(r_pixel, index(j))))
            outs.append(b.select(inside, here, nowhere))
            others.append(b.select(b.and_(inside, given), there, nowhere))

    def body(k: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(k, index(BYTES))

        def at_point(i: int, j: int) -> Value:
            return load(b, b.add(at(b, m, LINE * (s.n * i + j)), shift))

        start = load(b, b.add(bias, shift))
        halves = [s.outputs(b, [at_point(i, j) for i in range(s.n)]) for j in range(s.n)]
        for i in range(s.m):
            for j, value in enumerate(s.outputs(b, [half[i] for half in halves])):
                value = b.fadd(value, start)
                more = b.select(given, load(b, b.add(others[s.m * i + j], shift)), constant(0))
                value = bend(b, b.select(late, value, b.fadd(value, more)), factor)
                value = b.select(late, b.fadd(value, more), value)
                store(b, value, b.add(outs[s.m * i + j], shift))
        return state

    repeat(b, index(VECTORS), [], body)


@intrinsic
def transform_outputs(
    context: Any, m: Any, y: Any, row: Any, pixel: Any, height: Any, width: Any, bias: Any,
    r: Any, r_row: Any, r_pixel: Any, after: Any, nowhere: Any, slope: Any, scheme: Any,
) -> Any:  # fmt: skip
    """``A^T M A`` of one tile and panel, m (n^2, COLUMNS), with bias, residual and a bend, to the map at ``y``.

    Only ``height`` by ``width`` pixels of the tile are on the map; what is beyond them is written to ``nowhere``.
    """
    signature = types.void(*(types.int64,) * 12, types.float32, types.int64)
    return signature, _each("minidet_packed_winograd_outputs", _outputs)


def _touch(b: Builder, y: Value, row: Value, pixel: Value, height: Value, width: Value, write: Value) -> None:
    def rows(i: Value, state: list[Value]) -> list[Value]:
        def pixels(j: Value, state: list[Value]) -> list[Value]:
            here = b.add(b.add(y, b.mul(i, row)), b.mul(j, pixel))
            for k in range(VECTORS):
                prefetch(b, at(b, here, BYTES * k), write=True)
            return state

        repeat(b, width, [], pixels)
        return state

    repeat(b, height, [], rows)


@intrinsic
def touch(context: Any, y: Any, row: Any, pixel: Any, height: Any, width: Any, write: Any) -> Any:
    """Ask for a tile's pixels of one panel before they are written."""
    return types.void(*(types.int64,) * 6), kernel("minidet_packed_winograd_touch", _touch)
