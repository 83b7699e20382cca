"""The kernels of the depthwise convolution by 3 x 3: a strip of sixteen columns of one plane, down all its rows.

A tap of sixteen outputs is one vector of the row that it lies on, shifted by a pixel.  What would lie beside the row is
masked: those lanes are not read and are zero, so nothing has to be copied to be padded, and the same instructions do
the borders and the inside.  A row above or below the plane is read from a line of zeros.  With stride 2 the sixteen
pixels under a tap are every second of two vectors.

The masks belong to the strip and stay in registers while it is walked down, as do the nine weights.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vectors import (
    BYTES,
    LANES,
    VECTOR,
    Builder,
    Value,
    add_product,
    at,
    index,
    kernel,
    load,
    load_float,
    repeat,
    shuffle,
    splat,
    store,
    zero,
)

TAPS = 3
LANE = ir.IntType(32)
LANE_NUMBERS, MASK = ir.VectorType(LANE, LANES), ir.VectorType(ir.IntType(1), LANES)
ALONE = [[lane] * LANES for lane in range(LANES)]
EVEN, ODD = list(range(0, 2 * LANES, 2)), list(range(1, 2 * LANES, 2))


def inside(b: Builder, first: Value, width: Value) -> Value:
    """Which of the sixteen columns from ``first`` on are in ``[0, width)``; ``first`` may be negative."""
    one = b.insert_element(ir.Constant(LANE_NUMBERS, ir.Undefined), b.trunc(first, LANE), ir.Constant(LANE, 0))
    columns = b.add(shuffle(b, one, one, ALONE[0]), ir.Constant(LANE_NUMBERS, list(range(LANES))))
    end = b.insert_element(ir.Constant(LANE_NUMBERS, ir.Undefined), b.trunc(width, LANE), ir.Constant(LANE, 0))
    return b.icmp_unsigned("<", columns, shuffle(b, end, end, ALONE[0]))


def _masked(b: Builder, name: str, result: Any, *arguments: Any) -> Any:
    name = f"llvm.masked.{name}.v{LANES}f32.p0"
    function = b.module.globals.get(name)
    return function or ir.Function(b.module, ir.FunctionType(result, arguments), name)


def load_masked(b: Builder, address: Value, mask: Value) -> Value:
    """Sixteen numbers side by side, zero where the mask is not set: nothing is read there."""
    pointer, four = b.inttoptr(address, VECTOR.as_pointer()), ir.Constant(LANE, 4)
    function = _masked(b, "load", VECTOR, VECTOR.as_pointer(), LANE, MASK, VECTOR)
    return b.call(function, [pointer, four, mask, zero()])


def store_masked(b: Builder, value: Value, address: Value, mask: Value) -> None:
    """Write those of sixteen numbers for which the mask is set."""
    pointer, four = b.inttoptr(address, VECTOR.as_pointer()), ir.Constant(LANE, 4)
    function = _masked(b, "store", ir.VoidType(), VECTOR, VECTOR.as_pointer(), LANE, MASK)
    b.call(function, [value, pointer, four, mask])


def _row(b: Builder, plane: Value, r: Value, height: Value, width: Value, zeros: Value) -> Value:
    """The address of row ``r``, or of the zeros if there is none."""
    there = b.icmp_unsigned("<", r, height)
    return b.select(there, b.add(plane, b.mul(r, b.mul(width, index(4)))), zeros)


def _taps(b: Builder, stride: int, first: Value, width: Value) -> Any:
    """How to read the three taps of sixteen outputs from a row, the first lying on column ``first``."""
    starts = [0, 1, 2] if stride == 1 else [0, LANES, 2, LANES + 2]
    masks = [inside(b, b.add(first, index(k)), width) for k in starts]

    def read(row: Value) -> list[Value]:
        address = b.add(row, b.mul(first, index(4)))
        v = [load_masked(b, at(b, address, 4 * k), mask) for k, mask in zip(starts, masks, strict=True)]
        if stride == 1:
            return v
        return [shuffle(b, v[0], v[1], EVEN), shuffle(b, v[0], v[1], ODD), shuffle(b, v[2], v[3], EVEN)]

    return read


def _weights(b: Builder, w: Value) -> list[list[Value]]:
    return [[splat(b, load_float(b, at(b, w, 4 * (TAPS * u + v)))) for v in range(TAPS)] for u in range(TAPS)]


def _forward(stride: int) -> Any:
    def build(
        b: Builder, x: Value, H: Value, W: Value, w: Value, bias: Value, y: Value, oh: Value, ow: Value,
        ph: Value, pw: Value, column: Value, zeros: Value,
    ) -> None:  # fmt: skip
        weights, start = _weights(b, w), splat(b, bias)
        read = _taps(b, stride, b.sub(b.mul(column, index(stride)), pw), W)
        written = inside(b, column, ow)
        line = b.mul(ow, index(4))

        def row(i: Value, state: list[Value]) -> list[Value]:
            total = start
            for u in range(TAPS):
                r = b.add(b.sub(b.mul(i, index(stride)), ph), index(u))
                for weight, pixels in zip(weights[u], read(_row(b, x, r, H, W, zeros)), strict=True):
                    total = add_product(b, total, weight, pixels)
            store_masked(b, total, state[0], written)
            return [b.add(state[0], line)]

        repeat(b, oh, [b.add(y, b.mul(column, index(4)))], row)

    return build


def _grad_w(stride: int) -> Any:
    def build(
        b: Builder, x: Value, H: Value, W: Value, g: Value, oh: Value, ow: Value,
        ph: Value, pw: Value, column: Value, zeros: Value, sums: Value,
    ) -> None:  # fmt: skip
        read = _taps(b, stride, b.sub(b.mul(column, index(stride)), pw), W)
        there, line = inside(b, column, ow), b.mul(ow, index(4))

        def row(i: Value, state: list[Value]) -> list[Value]:
            address, *totals = state
            gradient = load_masked(b, address, there)
            for u in range(TAPS):
                r = b.add(b.sub(b.mul(i, index(stride)), ph), index(u))
                for v, pixels in enumerate(read(_row(b, x, r, H, W, zeros))):
                    k = TAPS * u + v
                    totals[k] = add_product(b, totals[k], gradient, b.select(there, pixels, zero()))
            return [b.add(address, line), *totals]

        places = [at(b, sums, BYTES * k) for k in range(TAPS * TAPS)]
        first = b.add(g, b.mul(column, index(4)))
        for total, place in zip(repeat(b, oh, [first, *(load(b, p) for p in places)], row)[1:], places, strict=True):
            store(b, total, place)

    return build


def _grad_x_2(
    b: Builder, g: Value, oh: Value, ow: Value, w: Value, x: Value, H: Value, W: Value, column: Value, zeros: Value
) -> None:
    weights, line = _weights(b, w), b.mul(W, index(4))
    here, next_to = (inside(b, b.add(column, index(k)), ow) for k in (0, 1))
    pixel = b.mul(column, index(2))
    written = [inside(b, b.add(pixel, index(k)), W) for k in (0, LANES)]
    alternate = [lane for i in range(LANES) for lane in (i, LANES + i)]

    def gather(u: int, r: Value, even: Value, odd: Value) -> tuple[Value, Value]:
        """Add what row ``r`` of ``g`` gives through row ``u`` of the filter to the even and the odd columns."""
        address = b.add(_row(b, g, r, oh, ow, zeros), b.mul(column, index(4)))
        left, right = load_masked(b, address, here), load_masked(b, at(b, address, 4), next_to)
        odd = add_product(b, add_product(b, odd, weights[u][0], right), weights[u][2], left)
        return add_product(b, even, weights[u][1], left), odd

    def put(even: Value, odd: Value, address: Value, masks: list[Value]) -> None:
        both = [shuffle(b, even, odd, alternate[:LANES]), shuffle(b, even, odd, alternate[LANES:])]
        for k, (value, mask) in enumerate(zip(both, masks, strict=True)):
            store_masked(b, value, at(b, address, BYTES * k), mask)

    def rows(i: Value, state: list[Value]) -> list[Value]:
        put(*gather(1, i, zero(), zero()), state[0], written)
        below = b.add(state[0], line)
        odd_row = gather(2, i, *gather(0, b.add(i, index(1)), zero(), zero()))
        there = b.icmp_signed("<", b.add(b.mul(i, index(2)), index(1)), H)
        none = ir.Constant(MASK, None)
        put(*odd_row, below, [b.select(there, mask, none) for mask in written])
        return [b.add(below, line)]

    repeat(b, b.udiv(b.add(H, index(1)), index(2)), [b.add(x, b.mul(pixel, index(4)))], rows)


def _signature(*, floats: int | None, count: int) -> Any:
    return types.void(*(types.float32 if k == floats else types.int64 for k in range(count)))


@intrinsic
def forward_1(
    context: Any, x: Any, H: Any, W: Any, w: Any, bias: Any, y: Any, oh: Any, ow: Any, ph: Any, pw: Any,
    column: Any, zeros: Any,
) -> Any:  # fmt: skip
    """The outputs ``column`` to ``column + 16`` of all rows of ``y`` (oh, ow), by ``w`` (3, 3) over ``x`` (H, W)."""
    return _signature(floats=4, count=12), kernel("minidet_depthwise_1", _forward(1))


@intrinsic
def forward_2(
    context: Any, x: Any, H: Any, W: Any, w: Any, bias: Any, y: Any, oh: Any, ow: Any, ph: Any, pw: Any,
    column: Any, zeros: Any,
) -> Any:  # fmt: skip
    """The same with stride 2."""
    return _signature(floats=4, count=12), kernel("minidet_depthwise_2", _forward(2))


@intrinsic
def grad_w_1(
    context: Any, x: Any, H: Any, W: Any, g: Any, oh: Any, ow: Any, ph: Any, pw: Any, column: Any, zeros: Any,
    sums: Any,
) -> Any:  # fmt: skip
    """Add to ``sums`` (9, 16) the products of columns ``column`` to ``column + 16`` of ``g`` with the taps on ``x``."""
    return _signature(floats=None, count=11), kernel("minidet_depthwise_grad_w_1", _grad_w(1))


@intrinsic
def grad_w_2(
    context: Any, x: Any, H: Any, W: Any, g: Any, oh: Any, ow: Any, ph: Any, pw: Any, column: Any, zeros: Any,
    sums: Any,
) -> Any:  # fmt: skip
    """The same with stride 2."""
    return _signature(floats=None, count=11), kernel("minidet_depthwise_grad_w_2", _grad_w(2))


@intrinsic
def grad_x_2(context: Any, g: Any, oh: Any, ow: Any, w: Any, x: Any, H: Any, W: Any, column: Any, zeros: Any) -> Any:
    """Stride 2, padding 1: what columns ``column`` to ``column + 16`` of ``g``, and the next, give to twice as many.

    Row 2 i of ``x`` is under the middle row of the filter alone, row 2 i + 1 under the last and, one output further on,
    the first; and so it is with the columns.
    """
    return _signature(floats=None, count=9), kernel("minidet_depthwise_grad_x_2", _grad_x_2)


__all__ = ["forward_1", "forward_2", "grad_w_1", "grad_w_2", "grad_x_2"]
