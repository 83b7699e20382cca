"""The matrix product under the packed convolutions: a tile of rows by a panel of columns, held in registers.

    out[r, :]  =  start  +  sum over k of  a[r, k] * b[k, :]            r < ROWS, a panel of COLUMNS

``a`` is never copied: row r is a pixel's window where it lies in a map with its channels last, given by its address and
cut in ``count`` runs of ``run`` numbers each, ``offsets[s]`` bytes from that address.  (A 1x1 window is one run, a 3x3
window three rows of three pixels.)  ``b`` is packed once, ``(depth, COLUMNS)`` side by side, so that a step loads a few
vectors of it, repeats one number of every row, and multiplies and adds ROWS x VECTORS times.

With AVX-512 that is 12 rows by two vectors: 24 sums in 32 registers, and 14 loads for 24 multiplications, which is what
keeps the units busy.  With AVX it is 6 rows by one vector in two registers, elsewhere 2 rows.  Rows that do not fill a
tile are cut in tiles of nearly equal height: 10 rows are as fast as 12, but 2 are not.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.extending import intrinsic

from ..packed_limits import zen
from ..vectors import (
    BYTES,
    INDEX,
    LANES,
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
    zero,
)

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

_FEATURES = get_host_cpu_features()
_AVX512, _AVX = _FEATURES.get("avx512f", False), _FEATURES.get("avx", False)

#: The vectors of a panel's row, and the rows of a tile: as many sums as the registers hold.
VECTORS = 2 if _AVX512 else 1
ROWS = 12 if _AVX512 else 6 if _AVX else 2
COLUMNS = LANES * VECTORS
LINE = BYTES * VECTORS  # bytes of a panel's row


def columns(filters: int) -> int:
    """The columns of a panel of so many filters: one vector for few, else COLUMNS."""
    return LANES if filters <= LANES else COLUMNS


def whole(channels: int) -> int:
    """The channels of a map that kernels may write: whole panels."""
    return -(-channels // columns(channels)) * columns(channels)


#: Steps along the depth to write out one after the other.
UNROLL = 4

#: What is asked for ahead, every UNROLL steps (measured).  On AMD's Zen the lines of the panel, so many bytes ahead.
#: Elsewhere that costs more than it brings: a panel is one stream, which the processor sees by itself.  What it does
#: not see are the rows, which are many, so those of the next tile are asked for, 64 bytes for 16 numbers; and two lines
#: of what the caller names, a panel or filters that still lie in memory.
AHEAD = 2048 if zen() else 0
ROW_LINES, OTHER_LINES = (ROWS * UNROLL + LANES - 1) // LANES, 2


def load_index(b: Builder, address: Value) -> Value:
    """One 64-bit integer."""
    return b.load(b.inttoptr(address, INDEX.as_pointer()), align=8)


def prefetch(b: Builder, address: Value, write: bool = False) -> None:
    """Ask for a cache line before it is needed, to be read or to be written."""
    pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    name = "llvm.prefetch.p0"
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(ir.VoidType(), [pointer, number, number, number]), name)
    b.call(function, [b.inttoptr(address, pointer), *(ir.Constant(number, n) for n in (int(write), 3, 1))])


def larger(b: Builder, x: Value, y: Value) -> Value:
    """The larger of two vectors, lane by lane; ``x`` where either is NaN."""
    return b.select(b.fcmp_unordered(">", x, y), x, y)


def bend(b: Builder, value: Value, slope: Value) -> Value:
    """``value`` where it is above 0 or NaN, ``slope * value`` elsewhere; with a slope of 0, also of -inf, 0."""
    below = b.select(b.fcmp_ordered("==", slope, zero()), zero(), b.fmul(value, slope))
    return b.select(b.fcmp_unordered(">", value, zero()), value, below)


def _steps(b: Builder, rows: list[Value], k: Value, panel: Value, sums: list[Value], many: int) -> list[Value]:
    """So many steps along the depth, from byte ``k`` of each row on."""
    starts, sums, vectors = [b.add(row, k) for row in rows], list(sums), len(sums) // len(rows)
    for u in range(many):
        right = [load(b, at(b, panel, BYTES * (vectors * u + j))) for j in range(vectors)]
        for r, start in enumerate(starts):
            number = splat(b, load_float(b, at(b, start, 4 * u)))
            for j in range(vectors):
                sums[r * vectors + j] = add_product(b, sums[r * vectors + j], number, right[j])
    return sums


def _tile(height: int, vectors: int) -> Any:
    """The builder of the product of so many rows with a panel of so many vectors."""
    line = BYTES * vectors

    def build(
        b: Builder, rows: Value, outs: Value, shift: Value, panel: Value, offsets: Value, count: Value, run: Value,
        start: Value, slope: Value, after: Value, pace: Value, other: Value, other_pace: Value,
    ) -> None:  # fmt: skip
        left = [load_index(b, at(b, rows, 8 * r)) for r in range(height)]
        out = [b.add(load_index(b, at(b, outs, 8 * r)), shift) for r in range(height)]
        given = b.icmp_signed("!=", start, index(0))
        sums = []
        for r in range(height):
            source = b.select(given, start, out[r])
            sums += [load(b, at(b, source, BYTES * j)) for j in range(vectors)]
        whole = b.udiv(run, index(UNROLL))

        def segment(s: Value, state: list[Value]) -> list[Value]:
            entry = b.add(offsets, b.mul(s, index(16)))
            offset = load_index(b, entry)
            part = b.add(panel, load_index(b, at(b, entry, 8)))
            here = [b.add(row, offset) for row in left]

            def body(i: Value, state: list[Value]) -> list[Value]:
                part, rows, other, *sums = state
                if AHEAD:
                    for k in range(UNROLL * vectors):
                        prefetch(b, at(b, part, AHEAD + BYTES * k))
                else:
                    for address, lines in ((rows, ROW_LINES), (other, OTHER_LINES)):
                        for k in range(lines):
                            prefetch(b, at(b, address, 64 * k))
                sums = _steps(b, here, b.mul(i, index(4 * UNROLL)), part, sums, UNROLL)
                return [at(b, part, line * UNROLL), b.add(rows, pace), b.add(other, other_pace), *sums]

            other, *sums = state
            part, _, other, *sums = repeat(b, whole, [part, b.add(after, offset), other, *sums], body)
            rest = [b.add(row, b.mul(whole, index(4 * UNROLL))) for row in here]

            def last(i: Value, state: list[Value]) -> list[Value]:
                part, *sums = state
                return [at(b, part, line), *_steps(b, rest, b.mul(i, index(4)), part, sums, 1)]

            _, *sums = repeat(b, b.urem(run, index(UNROLL)), [part, *sums], last)
            return [other, *sums]

        _, *sums = repeat(b, count, [other, *sums], segment)
        straight = b.fcmp_ordered("==", slope, ir.Constant(slope.type, 1.0))
        with b.if_else(straight) as (as_they_are, bent):
            with as_they_are:
                for k, total in enumerate(sums):
                    store(b, total, at(b, out[k // vectors], BYTES * (k % vectors)))
            with bent:
                factor = splat(b, slope)
                for k, total in enumerate(sums):
                    store(b, bend(b, total, factor), at(b, out[k // vectors], BYTES * (k % vectors)))

    return build


def _any_tile(b: Builder, height: Value, line: Value, *arguments: Value) -> None:
    """Call the kernel for this height and width."""
    after = b.append_basic_block("after")
    choice = b.switch(b.add(height, line), after)  # ROWS is less than any difference of lines
    for vectors in sorted({1, VECTORS}):
        for r in range(1, ROWS + 1):
            block = b.append_basic_block(f"tile{r}x{vectors}")
            choice.add_case(index(r + BYTES * vectors), block)
            b.position_at_end(block)
            b.call(define(b, f"minidet_tile_{r}x{vectors}", arguments, _tile(r, vectors)), arguments)
            b.branch(after)
    b.position_at_end(after)


@intrinsic
def tile(
    context: Any, height: Any, line: Any, rows: Any, outs: Any, shift: Any, panel: Any, offsets: Any, count: Any,
    run: Any, start: Any, slope: Any, after: Any, pace: Any, other: Any, other_pace: Any,
) -> Any:  # fmt: skip
    """The product of ``height`` rows, at most ROWS, with a panel whose rows have ``line`` bytes: LINE, or one vector's.

    ``rows`` and ``outs`` are tables of addresses, ``shift`` is added to each of the latter; ``offsets`` is a table of
    ``count`` byte offsets of runs of ``run`` numbers.  The sums begin with the numbers at ``start``, or, where
    that is 0, with what the outputs hold; what is stored is bent by ``slope`` below 0 (1 leaves it as it is).

    Nothing is read from the last four, only asked for: memory from ``after`` on, the first row of the next tile, and
    from ``other`` on, each so many bytes further at every UNROLL steps.
    """
    signature = types.void(*(types.int64,) * 10, types.float32, *(types.int64,) * 4)
    return signature, kernel("minidet_tile", _any_tile)


def _read(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
    return load_index(b, arguments[0])


@intrinsic
def read(context: Any, address: Any) -> Any:
    """The 64-bit integer at an address."""
    return types.int64(types.int64), _read


@njit(cache=True)
def product(many, line, rows, outs, shift, panel, offsets, count, run, start, slope, after, pace, other, bytes_ahead):
    """The same for any number of rows; ``after`` is the row after the last one.

    Meanwhile so many bytes of the ``other`` memory are asked for, in equal shares.
    """
    tiles = (many + ROWS - 1) // ROWS
    share = bytes_ahead // max(1, tiles)
    other_pace = share // max(1, count * (run // UNROLL))
    for t in range(tiles):
        height = many // tiles + (1 if t < many % tiles else 0)
        following = read(rows + 8 * height) if t < tiles - 1 else after
        tile(
            height, line, rows, outs, shift, panel, offsets, count, run, start, slope, following, pace,
            other + t * share, other_pace,
        )  # fmt: skip
        rows += 8 * height
        outs += 8 * height


def _fetch_add(context: Any, b: Builder, signature: Any, arguments: Any) -> Value:
    return b.atomic_rmw("add", b.inttoptr(arguments[0], INDEX.as_pointer()), index(1), "monotonic")


@intrinsic
def _take(context: Any, counter: Any) -> Any:
    """The next number of the counter at this address, which threads may share."""
    return types.int64(types.int64), _fetch_add


#: Numbers from counter to counter: a cache line each.
APART = 8


@njit(cache=True)
def claim(counters, thread, threads, work):
    """The next piece of work for a thread, or -1: from its own share, then from that of whoever is behind.

    ``counters`` is the address of a counter for each thread, all 0 at the start, APART numbers apart.  With nothing but
    equal shares, all would wait for the one whose core another program uses.
    """
    for k in range(threads):
        owner = (thread + k) % threads
        item = work * owner // threads + _take(counters + 8 * APART * owner)
        if item < work * (owner + 1) // threads:
            return item
    return -1


def _ahead(b: Builder, start: Value, lines: Value) -> None:
    def body(i: Value, state: list[Value]) -> list[Value]:
        prefetch(b, b.add(start, b.mul(i, index(64))))
        return state

    repeat(b, lines, [], body)


@intrinsic
def fetch(context: Any, start: Any, lines: Any) -> Any:
    """Ask for so many cache lines from an address on, before they are needed; the address need not exist."""
    return types.void(types.int64, types.int64), kernel("minidet_fetch", _ahead)
