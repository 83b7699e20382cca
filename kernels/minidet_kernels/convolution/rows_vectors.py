"""The kernel of ``rows``: some filters of 3 x 3 by a piece of a row of outputs, all sums in registers.

Nine taps of a channel are written out one after the other, so each is a fixed distance from one of three addresses, and
the weights of all filters at a tap lie side by side.  What is left to do for a product is to load it.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .vectors import (
    BYTES,
    LANES,
    ROWS,
    Builder,
    Value,
    add_product,
    at,
    define,
    index,
    kernel,
    load,
    load_float,
    repeat,
    splat,
    store,
)

#: Vectors of outputs that are computed together, and how many outputs that is; filters that may be taken together.
WIDE = 2 if ROWS == 8 else 1
OUTPUTS = WIDE * LANES
HEIGHTS = (12, 8, 4, 2, 1) if ROWS == 8 else (6, 4, 2, 1)


def _sums(height: int) -> Any:
    """The kernel for so many filters."""

    def build(
        b: Builder, pixels: Value, row: Value, plane: Value, weights: Value, bias: Value, out: Value, far: Value,
        depth: Value,
    ) -> None:  # fmt: skip
        def channel(_: Value, state: list[Value]) -> list[Value]:
            here, weight, *sums = state
            for u in range(3):
                line = b.add(here, b.mul(row, index(u)))
                for v in range(3):
                    vectors = [load(b, at(b, line, 4 * v + BYTES * i)) for i in range(WIDE)]
                    for r in range(height):
                        number = splat(b, load_float(b, at(b, weight, 4 * ((3 * u + v) * height + r))))
                        for i, vector in enumerate(vectors):
                            sums[WIDE * r + i] = add_product(b, sums[WIDE * r + i], number, vector)
            return [b.add(here, plane), at(b, weight, 36 * height), *sums]

        start = [splat(b, load_float(b, at(b, bias, 4 * r))) for r in range(height) for _ in range(WIDE)]
        _, _, *sums = repeat(b, depth, [pixels, weights, *start], channel)
        for k, total in enumerate(sums):
            store(b, total, b.add(out, b.add(b.mul(far, index(k // WIDE)), index(BYTES * (k % WIDE)))))

    return build


def _any(b: Builder, height: Value, *arguments: Value) -> None:
    done = b.append_basic_block("done")
    choice = b.switch(height, done)
    for n in HEIGHTS:
        block = b.append_basic_block(f"of{n}")
        choice.add_case(index(n), block)
        b.position_at_end(block)
        b.call(define(b, f"minidet_rows_{n}", arguments, _sums(n)), arguments)
        b.branch(done)
    b.position_at_end(done)


@intrinsic
def piece(
    context: Any,
    height: Any,
    pixels: Any,
    row: Any,
    plane: Any,
    weights: Any,
    bias: Any,
    out: Any,
    far: Any,
    depth: Any,
) -> Any:
    """OUTPUTS outputs of ``height`` filters, one of HEIGHTS, written ``far`` bytes apart.

    ``pixels`` is the first pixel under the first tap, ``row`` bytes from row to row and ``plane`` from channel to
    channel, ``depth`` of these; ``weights`` (depth, 9, height), ``bias`` (height,).
    """
    return types.void(*(types.int64,) * 9), kernel("minidet_rows", _any)


__all__ = ["HEIGHTS", "OUTPUTS", "piece"]
