"""The kernel of ``indirect``: rows of filters times runs of pixels that lie where a table says.

Like the product of ``winograd_vectors``, but its right side is not laid out as a matrix: row ``k`` of it, the pixels
under tap ``k``, begins ``table[k]`` bytes from a given address.  With AVX-512 two vectors of outputs are computed
together, so that a number of a filter, once loaded, is used twice: then the multiplications are what takes the time,
and no longer the loads.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .vectors import (
    BYTES,
    INDEX,
    LANES,
    ROWS,
    Builder,
    Value,
    add_product,
    at,
    index,
    kernel,
    load,
    load_float,
    repeat,
    splat,
    store,
    zero,
)

#: Vectors of outputs that are computed together, as many as there are registers for; and how many outputs that is.
WIDE = 2 if ROWS == 8 else 1
OUTPUTS = WIDE * LANES


def _product(
    b: Builder, u: Value, row: Value, pixels: Value, table: Value, out: Value, far: Value, depth: Value
) -> None:
    rows = [b.add(u, b.mul(row, index(r))) for r in range(ROWS)]

    def step(k: Value, state: list[Value]) -> list[Value]:
        offset = b.load(b.inttoptr(b.add(table, b.mul(k, index(8))), INDEX.as_pointer()), align=8)
        run, number = b.add(pixels, offset), b.mul(k, index(4))
        vectors = [load(b, at(b, run, BYTES * i)) for i in range(WIDE)]
        sums = []
        for r, pointer in enumerate(rows):
            weight = splat(b, load_float(b, b.add(pointer, number)))
            sums += [add_product(b, state[WIDE * r + i], weight, vector) for i, vector in enumerate(vectors)]
        return sums

    for k, total in enumerate(repeat(b, depth, [zero()] * (ROWS * WIDE), step)):
        store(b, total, b.add(out, b.add(b.mul(far, index(k // WIDE)), index(BYTES * (k % WIDE)))))


@intrinsic
def product(context: Any, u: Any, row: Any, pixels: Any, table: Any, out: Any, far: Any, depth: Any) -> Any:
    """``out`` (ROWS, OUTPUTS), its rows ``far`` apart: ``u`` (ROWS, depth), its rows ``row`` apart, by the pixels."""
    return types.void(*(types.int64,) * 7), kernel("minidet_indirect_product", _product)


__all__ = ["OUTPUTS", "ROWS", "product"]
