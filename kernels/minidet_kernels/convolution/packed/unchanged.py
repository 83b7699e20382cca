"""Whether arrays still hold what they held when their filters were packed: all are read, as fast as memory is.

A block of words is added up in two ways, in 64 bits.  The plain sum changes whenever one word does.  The other is a sum
over pairs of neighbours, each word first moved by a key of its own, 32 random bits (the universal hash NH of UMAC,
Black, Halevi, Krawczyk, Krovetz and Rogaway 1999)::

    sum over i of  ((w[2i] + k[2i]) mod 2^32)  *  ((w[2i + 1] + k[2i + 1]) mod 2^32)      mod 2^64

Whatever changes, signs, order or all values at once, is missed by one in 2^32 of all choices of keys.  Sums without a
product are not like that: of values that change their sign an even number can leave no trace in them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from llvmlite import ir
from numba import get_num_threads, njit, prange, types
from numba.extending import intrinsic

from ..vectors import BYTES, LANES, Builder, Value, at, index, kernel, repeat
from .maps import aligned
from .pack import address
from .tiles import prefetch

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Vectors of a block; one after the other in a loop; and bytes to ask for ahead, since what the processor fetches by
#: itself ends at a page (9.4 instead of 12.6 ms for 248 MB on two cores of an Intel Xeon).
BLOCK, UNROLL, AHEAD = 128, 4, 4096
KEYS = np.random.default_rng(1999).integers(0, 2**32, BLOCK * LANES, np.uint32)

_WORDS, _PAIRS = ir.VectorType(ir.IntType(32), LANES), ir.VectorType(ir.IntType(64), LANES // 2)


def _block(b: Builder, words: Value, keys: Value, vectors: Value, out: Value) -> None:
    """Both sums of so many vectors, to the sixteen numbers at ``out``."""
    half, low = ir.Constant(_PAIRS, [32] * (LANES // 2)), ir.Constant(_PAIRS, [2**32 - 1] * (LANES // 2))

    def load(start: Value) -> Value:
        return b.load(b.inttoptr(start, _WORDS.as_pointer()), align=4)

    def step(many: int, state: list[Value]) -> list[Value]:
        words, keys, products, plain = state
        for u in range(many):
            prefetch(b, at(b, words, AHEAD + BYTES * u))
            word = load(at(b, words, BYTES * u))
            pair = b.bitcast(b.add(word, load(at(b, keys, BYTES * u))), _PAIRS)
            products = b.add(products, b.mul(b.and_(pair, low), b.lshr(pair, half)))
            word = b.bitcast(word, _PAIRS)
            plain = b.add(plain, b.add(b.and_(word, low), b.lshr(word, half)))
        return [at(b, words, BYTES * many), at(b, keys, BYTES * many), products, plain]

    nothing = ir.Constant(_PAIRS, [0] * (LANES // 2))
    whole, rest = b.udiv(vectors, index(UNROLL)), b.urem(vectors, index(UNROLL))
    state = repeat(b, whole, [words, keys, nothing, nothing], lambda _, state: step(UNROLL, state))
    *_, products, plain = repeat(b, rest, state, lambda _, state: step(1, state))
    for k, total in enumerate((products, plain)):
        b.store(total, b.inttoptr(at(b, out, BYTES * k), _PAIRS.as_pointer()), align=8)


@intrinsic
def _sums(context, words, keys, vectors, out):
    return types.void(*(types.int64,) * 4), kernel("minidet_unchanged_block", _block)


@njit(cache=True, parallel=True)
def _all_sums(blocks, keys, found, threads):
    """Both sums of each block, (address, vectors), to found (blocks, 2)."""
    for thread in prange(threads):
        sums = np.empty((2, 8), np.uint64)
        for k in range(len(blocks) * thread // threads, len(blocks) * (thread + 1) // threads):
            _sums(blocks[k, 0], address(keys), blocks[k, 1], address(sums))
            for i in range(2):
                total = np.uint64(0)
                for lane in range(8):
                    total += sums[i, lane]
                found[k, i] = total


class Unchanged:
    """Remembers what some arrays hold: ``Unchanged(arrays)()`` says later whether they still do.

    The arrays may have any dtype and layout, and are kept alive.  Not for several threads at a time.
    """

    def __init__(self, arrays: Iterable[np.ndarray]) -> None:
        self._arrays = list(arrays)
        self._copies: list[tuple[np.ndarray, np.ndarray]] = []
        read = []
        for array in self._arrays:
            flat = array
            if not array.flags.c_contiguous:
                flat = np.empty(array.shape, array.dtype)
                self._copies.append((flat, array))
            flat = flat.reshape(-1).view(np.uint8)
            read.append(flat[: flat.size // BYTES * BYTES])
            if flat.size % BYTES:  # what fills no vector is copied to one
                last = aligned((LANES,)).view(np.uint8)
                self._copies.append((last[: flat.size % BYTES], flat[flat.size // BYTES * BYTES :]))
                read.append(last)
        starts = [(a.ctypes.data, k, a.size // BYTES) for a in read for k in range(0, a.size // BYTES, BLOCK)]
        blocks = [(start + BYTES * k, min(BLOCK, vectors - k)) for start, k, vectors in starts]
        self._read, self._blocks = read, np.array(blocks, np.int64).reshape(-1, 2)
        self._known = self._now()

    def _now(self) -> np.ndarray:
        for target, source in self._copies:
            target[...] = source
        found = np.empty((len(self._blocks), 2), np.uint64)
        _all_sums(self._blocks, KEYS, found, get_num_threads() if len(found) > 4 else 1)
        return found

    def __call__(self) -> bool:
        """Whether all of them hold what they held."""
        return np.array_equal(self._now(), self._known)
