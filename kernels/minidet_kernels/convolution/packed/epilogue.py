"""What follows a convolution, done while its outputs are still in the cache: activation and residual.

    y  =  activation(y + before)  +  after

Straight lines (identity, ReLU, leaky ReLU) are done in registers by the product itself (``tiles.bend``); this is for
the others and for residuals.  The exponential is 2^n times a polynomial: with n the integer nearest to x / log 2 and
r = x - n log 2, |r| <= log(2) / 2, the Taylor series of exp(r) up to r^7 is off by 6e-9, a tenth of float32's rounding.
"""

from __future__ import annotations

import math
from itertools import product
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


def smaller(b: Builder, x: Value, most: float) -> Value:
    """The smaller of ``x`` and a number, which it is where ``x`` is NaN."""
    return b.select(b.fcmp_ordered("<", x, constant(most)), x, constant(most))


def exponential(b: Builder, x: Value) -> Value:
    """exp(x) of a number up to 88, 0 where that is below the smallest normal one."""
    x = larger(b, x, constant(_LOWEST))
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
    return b.fdiv(constant(1), b.fadd(constant(1), exponential(b, smaller(b, _negated(b, x), _HIGHEST))))


def _tanh(b: Builder, x: Value) -> Value:
    """1 - 2 / (exp(2 x) + 1) from 1/4 on; nearer to 0, where that loses digits, x - x^3/3 + 2 x^5/15 - ..."""
    e = exponential(b, smaller(b, b.fadd(x, x), _HIGHEST))
    far = b.fsub(constant(1), b.fdiv(constant(2), b.fadd(e, constant(1))))
    square = b.fmul(x, x)
    series = constant(21844 / 6081075)
    for c in (-1382 / 155925, 62 / 2835, -17 / 315, 2 / 15, -1 / 3):
        series = add_product(b, constant(c), series, square)
    near = add_product(b, x, b.fmul(x, square), series)
    return b.select(b.fcmp_ordered("<", square, constant(1 / 16)), near, far)


def _mish(b: Builder, x: Value) -> Value:
    """X w / (w + 2) with w = e (e + 2), e = exp(x): x tanh(log(1 + e)).  From 20 on, x itself, as w + 2 = w."""
    e = exponential(b, smaller(b, x, 20))
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


def _pixels(
    b: Builder, many: Value, line: Value, outs: Value, shift: Value, residuals: Value, code: int, when: str,
    slope: Value,
) -> None:  # fmt: skip
    """The loop over pixels for one activation, with no residual, or one before or after it."""

    def pixel(i: Value, state: list[Value]) -> list[Value]:
        step = b.mul(i, index(8))
        out = b.add(load_index(b, b.add(outs, step)), shift)
        other = b.add(load_index(b, b.add(residuals, step)), shift) if when else out

        def vector(j: Value, state: list[Value]) -> list[Value]:
            place = b.mul(j, index(BYTES))
            value = load(b, b.add(out, place))
            more = load(b, b.add(other, place)) if when else None
            value = _activated(b, code, b.fadd(value, more) if when == "before" else value, slope)
            store(b, b.fadd(value, more) if when == "after" else value, b.add(out, place))
            return state

        repeat(b, b.udiv(line, index(BYTES)), [], vector)
        return state

    repeat(b, many, [], pixel)


def _finish(
    b: Builder, many: Value, line: Value, outs: Value, shift: Value, residuals: Value, after: Value, code: Value,
    slope: Value,
) -> None:  # fmt: skip
    factor = splat(b, slope)
    times = ("", "before", "after")
    late = b.select(b.icmp_signed("!=", after, index(0)), index(2), index(1))
    when = b.select(b.icmp_signed("!=", residuals, index(0)), late, index(0))
    done = b.append_basic_block("done")
    choice = b.switch(b.add(b.mul(code, index(len(times))), when), done)
    for number, (each, time) in enumerate(product(sorted(set(CODES.values())), times)):
        block = b.append_basic_block(f"case{number}")
        choice.add_case(index(number), block)
        b.position_at_end(block)
        _pixels(b, many, line, outs, shift, residuals, each, time, factor)
        b.branch(done)
    b.position_at_end(done)


@intrinsic
def finish(
    context: Any, many: Any, line: Any, outs: Any, shift: Any, residuals: Any, after: Any, code: Any, slope: Any
) -> Any:
    """Finish one panel's columns, ``line`` bytes, of ``many`` pixels, whose addresses less ``shift`` are in ``outs``.

    ``residuals`` is such a table, too, or 0 for none; they are added before the activation, or ``after`` it.
    """
    return types.void(*(types.int64,) * 7, types.float32), kernel("minidet_finish", _finish)
