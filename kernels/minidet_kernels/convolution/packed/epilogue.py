"""What follows a convolution, done while its outputs are still in the cache: activation and residual.

    y  =  activation(y + before)  +  after

Straight lines (identity, ReLU, leaky ReLU) are done in registers by the product itself (``tiles.bend``); this is for
the others and for residuals.  The exponential is 2^n times a polynomial: with n the integer nearest to x / log 2 and
r = x - n log 2, |r| <= log(2) / 2, the Taylor series of exp(r) up to r^7 is off by 6e-9, a tenth of float32's rounding.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..vectors import BYTES, LANES, Builder, Value, add_product, constant, index, kernel, load, repeat, splat, store
from .tiles import bend, larger, load_index

#: The activations that are known here, and the numbers that the kernels know them by.
BENT, SIGMOID, SILU, MISH, TANH = range(5)
CODES = {"linear": BENT, "relu": BENT, "leaky": BENT, "sigmoid": SIGMOID, "silu": SILU, "mish": MISH, "tanh": TANH}

_NATURAL = 0.693359375, math.log(2) - 0.693359375  # log 2 in two parts; a multiple of the first is exact
_ROUND = 1.5 * 2.0**23  # adding it leaves no bits after the point
_LOWEST, _HIGHEST = -87.9, 88.0  # beyond these the result is 0, or too large for float32
_BITS = ir.VectorType(ir.IntType(32), LANES)


def exponential(b: Builder, x: Value) -> Value:
    """exp(x), from 0 (below the smallest normal number) to 1.6e38; NaN gives some number."""
    x = larger(b, b.select(b.fcmp_ordered("<", x, constant(_HIGHEST)), x, constant(_HIGHEST)), constant(_LOWEST))
    n = b.fsub(b.fadd(b.fmul(x, constant(1 / math.log(2))), constant(_ROUND)), constant(_ROUND))
    r = x
    for part in _NATURAL:
        r = add_product(b, r, n, constant(-part))
    value = constant(1 / math.factorial(7))
    for k in range(6, -1, -1):
        value = add_product(b, constant(1 / math.factorial(k)), value, r)
    exponent = b.add(b.fptosi(n, _BITS), ir.Constant(_BITS, [127] * LANES))
    return b.fmul(value, b.bitcast(b.shl(exponent, ir.Constant(_BITS, [23] * LANES)), x.type))


def _negated(b: Builder, x: Value) -> Value:
    return b.fsub(constant(-0.0), x)


def _sigmoid(b: Builder, x: Value) -> Value:
    """1 / (1 + exp(-x)); where exp(-x) is too large for float32, some 1e-38."""
    return b.fdiv(constant(1), b.fadd(constant(1), exponential(b, _negated(b, x))))


def _tanh(b: Builder, x: Value) -> Value:
    """1 - 2 / (exp(2 x) + 1) from 1/4 on; nearer to 0, where that loses digits, x - x^3/3 + 2 x^5/15 - ..."""
    e = exponential(b, b.fadd(x, x))
    far = b.fsub(constant(1), b.fdiv(constant(2), b.fadd(e, constant(1))))
    square = b.fmul(x, x)
    series = constant(21844 / 6081075)
    for c in (-1382 / 155925, 62 / 2835, -17 / 315, 2 / 15, -1 / 3):
        series = add_product(b, constant(c), series, square)
    near = add_product(b, x, b.fmul(x, square), series)
    return b.select(b.fcmp_ordered("<", square, constant(1 / 16)), near, far)


def _mish(b: Builder, x: Value) -> Value:
    """x w / (w + 2) with w = e (e + 2), e = exp(x): x tanh(log(1 + e)).  From 20 on, x itself, as w + 2 = w."""
    twenty = constant(20)
    e = exponential(b, b.select(b.fcmp_ordered("<", x, twenty), x, twenty))
    w = b.fmul(e, b.fadd(e, constant(2)))
    return b.fmul(_above(b, x), b.fdiv(w, b.fadd(w, constant(2))))


def _above(b: Builder, x: Value) -> Value:
    """x, but nothing below -104, where the factor is 0 already: -inf times 0 is not 0.  NaN stays."""
    return larger(b, x, constant(-104))


def _activated(b: Builder, code: int, x: Value, slope: Value) -> Value:
    if code == BENT:
        return bend(b, x, slope)
    if code == MISH:
        return _mish(b, x)
    if code == SILU:
        return b.fmul(_above(b, x), _sigmoid(b, x))
    y = _sigmoid(b, x) if code == SIGMOID else _tanh(b, x)
    return b.select(b.fcmp_unordered("uno", x, x), x, y)


def _finish(
    b: Builder, many: Value, line: Value, outs: Value, shift: Value, residuals: Value, after: Value, code: Value, slope: Value
) -> None:
    factor, nothing = splat(b, slope), constant(0)
    late = b.icmp_signed("!=", after, index(0))
    given = b.icmp_signed("!=", residuals, index(0))
    done = b.append_basic_block("done")
    choice = b.switch(code, done)
    for each in sorted(set(CODES.values())):
        block = b.append_basic_block(f"code{each}")
        choice.add_case(index(each), block)
        b.position_at_end(block)

        def body(i: Value, state: list[Value], each: int = each) -> list[Value]:
            out = b.add(load_index(b, b.add(outs, b.mul(i, index(8)))), shift)
            table = b.select(given, residuals, outs)  # some address that may be read
            other = b.add(load_index(b, b.add(table, b.mul(i, index(8)))), shift)

            def vector(j: Value, state: list[Value]) -> list[Value]:
                place = b.add(out, b.mul(j, index(BYTES)))
                more = b.select(given, load(b, b.add(other, b.mul(j, index(BYTES)))), nothing)
                value = load(b, place)
                value = b.select(late, value, b.fadd(value, more))
                value = _activated(b, each, value, factor)
                store(b, b.select(late, b.fadd(value, more), value), place)
                return state

            repeat(b, b.udiv(line, index(BYTES)), [], vector)
            return state

        repeat(b, many, [], body)
        b.branch(done)
    b.position_at_end(done)


@intrinsic
def finish(
    context: Any, many: Any, line: Any, outs: Any, shift: Any, residuals: Any, after: Any, code: Any, slope: Any
) -> Any:
    """Finish one panel's columns, ``line`` bytes, of ``many`` pixels, whose addresses, less ``shift``, are in the table ``outs``.

    ``residuals`` is such a table, too, or 0 for none; they are added before the activation, or ``after`` it.
    """
    return types.void(*(types.int64,) * 7, types.float32), kernel("minidet_finish", _finish)
