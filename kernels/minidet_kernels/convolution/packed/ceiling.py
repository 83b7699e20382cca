"""What the machine can do, to compare with: multiplications and additions by the product of ``tiles``, all threads."""

from __future__ import annotations

import time

import numpy as np
from numba import get_num_threads, njit, prange

from .maps import aligned
from .pack import address
from .tiles import COLUMNS, LINE, ROWS, product

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

DEPTH = 256  # a tile's rows and a panel that stay in the first-level cache


@njit(cache=True, parallel=True)
def _work(data, tables, times, threads):
    for thread in prange(threads):
        start, table = address(data[thread]), tables[thread]
        for r in range(ROWS):
            table[0, r] = start + 4 * r * DEPTH
            table[1, r] = start + 4 * ROWS * DEPTH + r * LINE
        panel = start + 4 * ROWS * DEPTH + ROWS * LINE
        for _ in range(times):
            product(
                ROWS, LINE, address(table[0]), address(table[1]), 0, panel, address(table[2]), 1, DEPTH, panel,
                np.float32(1), panel, 0, panel, 0,
            )  # fmt: skip


def multiply_add_rate(seconds: float = 0.05) -> float:
    """Floating-point operations a second, two for each multiplication and addition: the best of five tries."""
    threads = get_num_threads()
    data = aligned((threads, ROWS * DEPTH + ROWS * COLUMNS + DEPTH * COLUMNS))
    data[...] = 0.5  # untouched zeros would all be one page of memory
    tables = np.zeros((threads, 3, ROWS), np.int64)
    operations, times, best = 2.0 * ROWS * COLUMNS * DEPTH * threads, 64, 0.0
    _work(data, tables, 1, threads)
    while True:
        begin = time.perf_counter()
        _work(data, tables, times, threads)
        if (passed := time.perf_counter() - begin) > seconds / 5:
            break
        times *= 2
    for _ in range(5):
        begin = time.perf_counter()
        _work(data, tables, times, threads)
        passed = time.perf_counter() - begin
        best = max(best, operations * times / passed)
    return best
