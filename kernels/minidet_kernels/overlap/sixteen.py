"""One box beside sixteen at a time: which of them it meets, as the bits of a word.  Vectors in LLVM's words.

Most pairs of boxes do not meet.  Their overlap is 0, and dividing for it takes longer than all else together.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16

Value = Any
Builder = Any


def _load(b: Builder, address: Value, number: Any) -> Value:
    return b.load(b.inttoptr(address, ir.VectorType(number, LANES).as_pointer()), align=4)


def _splat(b: Builder, x: Value) -> Value:
    vector = ir.VectorType(x.type, LANES)
    one = b.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(ir.IntType(32), 0))
    return b.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _side(b: Builder, low: Value, other_low: Value, high: Value, other_high: Value, pixel: Value) -> Value:
    """The side of what two boxes have in common, as the definition computes it; ``other`` where either is NaN."""
    inner = b.select(b.fcmp_ordered("<", high, other_high), high, other_high)
    outer = b.select(b.fcmp_ordered(">", low, other_low), low, other_low)
    side = b.fadd(b.fsub(inner, outer), pixel)
    zero = ir.Constant(side.type, [0.0] * LANES)
    return b.select(b.fcmp_ordered("<", side, zero), zero, side)


def _common(b: Builder, boxes: Value, step: Value, box: tuple[Value, ...], pixel: Value) -> Value:
    """The areas in common with the sixteen boxes at ``boxes``, whose coordinates lie ``step`` bytes apart."""
    number = pixel.type
    x1, y1, x2, y2 = (_load(b, b.add(boxes, b.mul(step, ir.Constant(step.type, k))), number) for k in range(4))
    left, top, right, bottom = (_splat(b, x) for x in box)
    one = _splat(b, pixel)
    return b.fmul(_side(b, left, x1, right, x2, one), _side(b, top, y1, bottom, y2, one))


def _meeting(context: Any, boxes: Any, step: Any, left: Any, top: Any, right: Any, bottom: Any, pixel: Any) -> Any:
    """Bit k of the result: whether the box has an area in common with the k-th of sixteen; not where that is NaN."""

    def generate(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
        boxes, step, *box, pixel = arguments
        common = _common(b, boxes, step, tuple(box), pixel)
        some = b.fcmp_ordered(">", common, ir.Constant(common.type, [0.0] * LANES))
        return b.zext(b.bitcast(some, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(types.int64, types.int64, *(pixel,) * 5), generate


def _overlaps(
    context: Any, boxes: Any, step: Any, left: Any, top: Any, right: Any, bottom: Any, pixel: Any,
    area: Any, areas: Any, nothing: Any, to: Any,
) -> Any:  # fmt: skip
    """Write the IoU of a box with sixteen past the caches, to an address that is a multiple of 64.

    ``areas`` is where those of the sixteen lie, ``nothing`` what 0/0 is.
    """

    def generate(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
        boxes, step, *box, pixel, area, areas, nothing, to = arguments
        common = _common(b, boxes, step, tuple(box), pixel)
        union = b.fsub(b.fadd(_splat(b, area), _load(b, areas, pixel.type)), common)
        empty = b.fcmp_ordered("==", union, ir.Constant(union.type, [0.0] * LANES))
        value = b.select(empty, _splat(b, nothing), b.fdiv(common, union))
        store = b.store(value, b.inttoptr(to, value.type.as_pointer()), align=64)
        store.set_metadata("nontemporal", b.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    number = types.int64
    return types.void(number, number, *(pixel,) * 6, number, pixel, number), generate


def _lowest(context: Any, word: Any) -> Any:
    """The place of the lowest bit of a word that is not 0."""

    def generate(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
        return b.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


meeting: Any = intrinsic(_meeting)
overlaps: Any = intrinsic(_overlaps)
lowest: Any = intrinsic(_lowest)
