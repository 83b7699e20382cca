"""Whether the weights that a plan was made from are still what they were."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import get_num_threads, njit, prange

from ..autograd import Tensor
from .trace import Constant

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Words that one thread adds up at a time.
BLOCK = 1 << 16


@njit(cache=True, parallel=True)
def _sums(words, threads):
    """The sum of the words, and that of each times its place, modulo 2^64; words (n,) uint32."""
    plain, placed = np.zeros((threads, 8), np.uint64), np.zeros((threads, 8), np.uint64)  # a cache line each
    blocks = (len(words) + BLOCK - 1) // BLOCK
    for thread in prange(threads):
        for block in range(blocks * thread // threads, blocks * (thread + 1) // threads):
            a, b, start = np.uint64(0), np.uint64(0), block * BLOCK
            part = words[start : start + BLOCK]
            for i in range(len(part)):
                word = np.uint64(part[i])
                a += word
                b += word * np.uint64(i + 1)
            plain[thread, 0] += a
            placed[thread, 0] += b + a * np.uint64(start)
    return plain[:, 0].sum(), placed[:, 0].sum()


def fingerprint(a: np.ndarray) -> tuple[int, ...]:
    """Numbers that change with any one value of an array, and with any two that change places."""
    a = np.ascontiguousarray(a)
    words = a.reshape(-1).view(np.uint32)
    plain, placed = _sums(words, get_num_threads() if words.size > BLOCK else 1)
    return int(plain), int(placed)


class Watch:
    """Keeps an eye on some weights.

    ``frozen`` makes their arrays read-only: who writes to one gets NumPy's ``ValueError``, and only whether the arrays
    are still the same ones has to be looked at.  Otherwise every look reads all of them.
    """

    def __init__(self, *, frozen: bool) -> None:
        self._frozen = frozen
        self._seen: dict[str, tuple[Constant, Tensor, np.ndarray, tuple[int, ...]]] = {}

    def add(self, constants: Iterable[Constant]) -> None:
        """Watch these, too, as they are now."""
        for constant in constants:
            tensor = constant.tensor
            if self._frozen:
                tensor.data.flags.writeable = False
            if constant.name not in self._seen:
                known = () if self._frozen else fingerprint(tensor.data)
                self._seen[constant.name] = constant, tensor, tensor.data, known

    def changed(self) -> str | None:
        """The name of a weight that is not what it was, or ``None``."""
        for constant, tensor, array, known in self._seen.values():
            now = vars(constant.module).get(constant.attribute)
            if now is not tensor or tensor.data is not array or (not self._frozen and fingerprint(array) != known):
                return constant.name
        return None
