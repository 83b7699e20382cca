"""Whether the weights that a plan was made from are still what they were."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import get_num_threads, njit, prange

from ..autograd import Tensor
from .trace import Constant

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Numbers side by side, each added up for itself, and numbers of a block, which begins its sums anew.
LANES, BLOCK = 32, 1 << 14


@njit(cache=True, parallel=True)
def _fletcher(words, sums, threads):
    """Two sums for each lane of each block: of the words, and of that sum as it grew; sums (blocks, 2, LANES).

    The second weighs a word by how many follow it, so that it changes when two words change places.
    """
    blocks = len(sums)
    for thread in prange(threads):
        for block in range(blocks * thread // threads, blocks * (thread + 1) // threads):
            part = words[block * BLOCK : (block + 1) * BLOCK]
            a, b = np.zeros(LANES, np.uint32), np.zeros(LANES, np.uint32)
            whole = len(part) // LANES
            for i in range(whole):
                for k in range(LANES):
                    a[k] += part[i * LANES + k]
                    b[k] += a[k]
            for k in range(len(part) - whole * LANES):
                a[k] += part[whole * LANES + k]
                b[k] += a[k]
            sums[block, 0], sums[block, 1] = a, b


def fingerprint(a: np.ndarray) -> bytes:
    """Bytes that change with any one value of an array, and with any two that change places."""
    words = np.ascontiguousarray(a).reshape(-1).view(np.uint32)
    sums = np.empty((-(-words.size // BLOCK), 2, LANES), np.uint32)
    _fletcher(words, sums, get_num_threads() if len(sums) > 4 else 1)
    return sums.tobytes()


class Watch:
    """Keeps an eye on some weights.

    ``frozen`` makes their arrays read-only: who writes to one gets NumPy's ``ValueError``, and only whether the arrays
    are still the same ones has to be looked at.  Otherwise every look reads all of them.
    """

    def __init__(self, *, frozen: bool) -> None:
        self._frozen = frozen
        self._seen: dict[str, tuple[Constant, Tensor, np.ndarray, bytes]] = {}

    def add(self, constants: Iterable[Constant]) -> None:
        """Watch these, too, as they are now."""
        for constant in constants:
            tensor = constant.tensor
            if self._frozen:
                tensor.data.flags.writeable = False
            if constant.name not in self._seen:
                known = b"" if self._frozen else fingerprint(tensor.data)
                self._seen[constant.name] = constant, tensor, tensor.data, known

    def changed(self) -> str | None:
        """The name of a weight that is not what it was, or ``None``."""
        for constant, tensor, array, known in self._seen.values():
            now = vars(constant.module).get(constant.attribute)
            if now is not tensor or tensor.data is not array or (not self._frozen and fingerprint(array) != known):
                return constant.name
        return None
