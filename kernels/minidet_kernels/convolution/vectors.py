"""Vectors of sixteen float32, for kernels that must be vectors: a few words of LLVM's language, from Numba.

Numba compiles loops, and LLVM decides which of them become vectors.  A kernel that holds a dozen sums in registers is
beyond what it finds by itself, so the innermost kernels say what they mean: ``@intrinsic`` lets a function be written
as the instructions that it stands for.  The type is <16 x float> on every processor; LLVM makes it one register with
AVX-512, two with AVX, four with SSE or NEON.  A product and a sum are joined into one instruction where the processor
has it (``contract``) and stay two elsewhere, so the results are right on all, and faster on some.

An address is an integer in bytes.  All loads and stores may be unaligned, and nothing checks bounds: the callers do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features

LANES = 16
BYTES = 4 * LANES

FLOAT, INDEX = ir.FloatType(), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)

#: How many rows of sums, of sixteen each, fit in the registers beside their operands.
ROWS = 8 if get_host_cpu_features().get("avx512f", False) else 6

Value = Any
Builder = Any


def index(n: int) -> Value:
    """An integer constant."""
    return ir.Constant(INDEX, n)


def constant(value: float) -> Value:
    """Sixteen times the same number."""
    return ir.Constant(VECTOR, [float(value)] * LANES)


def zero() -> Value:
    """Sixteen zeros."""
    return constant(0.0)


def at(b: Builder, address: Value, offset: int) -> Value:
    """The address so many bytes further on."""
    return b.add(address, index(offset)) if offset else address


def load(b: Builder, address: Value) -> Value:
    """Sixteen numbers, side by side."""
    return b.load(b.inttoptr(address, VECTOR.as_pointer()), align=4)


def store(b: Builder, value: Value, address: Value) -> None:
    """Write sixteen numbers side by side."""
    b.store(value, b.inttoptr(address, VECTOR.as_pointer()), align=4)


def load_float(b: Builder, address: Value) -> Value:
    """One number."""
    return b.load(b.inttoptr(address, FLOAT.as_pointer()), align=4)


def splat(b: Builder, number: Value) -> Value:
    """Sixteen times this number."""
    one = b.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return shuffle(b, one, one, [0] * LANES)


def shuffle(b: Builder, first: Value, second: Value, lanes: Sequence[int]) -> Value:
    """The named lanes of two vectors laid end to end."""
    return b.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes)))


def load_every(b: Builder, address: Value, step: Value) -> Value:
    """Sixteen numbers that lie ``step`` bytes apart."""
    vector = ir.Constant(VECTOR, ir.Undefined)
    for lane in range(LANES):
        number = load_float(b, b.add(address, b.mul(step, index(lane))))
        vector = b.insert_element(vector, number, ir.Constant(ir.IntType(32), lane))
    return vector


def add_product(b: Builder, total: Value, x: Value, y: Value) -> Value:
    """``total + x * y``, with one rounding where the processor can."""
    return b.fadd(total, b.fmul(x, y, flags=("contract",)), flags=("contract",))


def interleave(b: Builder, parts: Sequence[Value]) -> list[Value]:
    """Four vectors a, b, c, d as the four vectors a0 b0 c0 d0 a1 b1 ..."""
    alternate = [lane for i in range(LANES) for lane in (i, LANES + i)]
    ab, cd = shuffle(b, parts[0], parts[1], alternate), shuffle(b, parts[2], parts[3], alternate)
    return [
        shuffle(b, ab, cd, [lane for i in range(8 * k, 8 * k + 8, 2) for lane in (i, i + 1, 32 + i, 33 + i)])
        for k in range(4)
    ]


def combine(b: Builder, coefficients: Sequence[float], vectors: Sequence[Value]) -> Value:
    """The sum of coefficient times vector, leaving out what is zero and multiplying by nothing that is one."""
    terms = sorted(((c, v) for c, v in zip(coefficients, vectors, strict=True) if c), key=lambda term: term[0] != 1)
    (c, v), *others = terms
    total = v if c == 1 else b.fmul(constant(c), v, flags=("contract",))
    for c, v in others:
        if abs(c) == 1:
            total = b.fadd(total, v) if c == 1 else b.fsub(total, v)
        else:
            total = add_product(b, total, constant(c), v)
    return total


def repeat(
    b: Builder, times: Value, state: Sequence[Value], body: Callable[[Value, list[Value]], Sequence[Value]]
) -> list[Value]:
    """``for i in range(times): state = body(i, state)``, with the state in registers."""
    before, head = b.block, b.append_basic_block("head")
    inside, after = b.append_basic_block("inside"), b.append_basic_block("after")
    b.branch(head)
    b.position_at_end(head)
    i, held = b.phi(INDEX), [b.phi(value.type) for value in state]
    for phi, value in zip([i, *held], [index(0), *state], strict=True):
        phi.add_incoming(value, before)
    b.cbranch(b.icmp_signed("<", i, times), inside, after)
    b.position_at_end(inside)
    new = body(i, held)
    for phi, value in zip([i, *held], [b.add(i, index(1)), *new], strict=True):
        phi.add_incoming(value, b.block)
    b.branch(head)
    b.position_at_end(after)
    return held


def define(b: Builder, name: str, arguments: Sequence[Value], build: Callable[..., None]) -> Value:
    """The function ``name`` of these arguments' types in the module, made by ``build(builder, *arguments)`` if new.

    Never put in line: a kernel would share its registers with the loops around it, and its sums would be moved to
    memory and back.
    """
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(ir.VoidType(), [a.type for a in arguments]), name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        inner = ir.IRBuilder(function.append_basic_block("entry"))
        build(inner, *function.args)
        inner.ret_void()
    return function


def kernel(name: str, build: Callable[..., None]) -> Callable[..., Any]:
    """The code generator of an ``@intrinsic`` that calls ``build(builder, *arguments)`` as a function of its own."""

    def generate(context: Any, b: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        b.call(define(b, name, arguments, build), arguments)
        return context.get_dummy_value()

    return generate
