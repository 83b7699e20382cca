"""What the machine can do at most: a matrix product for arithmetic, filling and copying for memory.

All are measured in the same run as what is held against them, since a figure of yesterday belongs to another machine.
Writing is C's ``memset`` and copying its ``memmove``, on arrays that have been touched and are far larger than caches.
They write past the caches, which a plain loop of stores does not.  What is written is not zero: some processors write
zeros twice as fast as anything else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .measure import Timing, in_turns, matrix_product, threads

#: Far more than the last cache of any processor in use.
BYTES = 256 << 20

#: Name: a function to time, and the work that it does: operations or bytes.
Yardstick = tuple[Callable[[], Any], float]


def _in_parts(count: int, size: int, work: Callable[[int, int], Any]) -> Callable[[], Any]:
    """``work(start, stop)`` over ``size`` bytes, one part for each of ``count`` threads."""
    edges = [size * i // count & ~63 for i in range(count)] + [size]
    if count == 1:
        return lambda: work(0, size)
    pool = ThreadPoolExecutor(count)
    return lambda: list(pool.map(work, edges[:-1], edges[1:]))  # ctypes lets go of the interpreter's lock


def touched(size: int = BYTES) -> np.ndarray:
    """Bytes that have been written to, so that no page of them is new."""
    return np.full(size, 1, np.uint8)


def filling(count: int, out: np.ndarray | None = None, byte: int = 0x5A) -> Yardstick:
    """Write a byte all over an array (by default one of ``BYTES``) with ``count`` threads."""
    array = touched() if out is None else out
    address = array.ctypes.data

    def work(start: int, stop: int) -> int:
        assert array.flags.c_contiguous  # and the closure keeps it alive
        return ctypes.memset(address + start, byte, stop - start)

    return _in_parts(count, array.nbytes, work), float(array.nbytes)


def copying(count: int, source: np.ndarray, target: np.ndarray) -> Yardstick:
    """Copy an array into another of its size with ``count`` threads; what is read and what is written both count."""
    a, b = source.ctypes.data, target.ctypes.data

    def work(start: int, stop: int) -> int:
        assert source.nbytes == target.nbytes
        return ctypes.memmove(b + start, a + start, stop - start)

    return _in_parts(count, source.nbytes, work), 2.0 * source.nbytes


def ceilings(repeats: int = 7) -> dict[str, dict[str, float]]:
    """Measured on their own, in turns: name to rate (operations or bytes a second) and spread."""
    sticks: dict[str, Yardstick] = {"matrix product": matrix_product()}
    source, target = touched(), touched()
    for count in sorted({1, threads()}):
        what = f"{count} thread{'s' if count > 1 else ''}"
        sticks |= {f"write, {what}": filling(count, target), f"copy, {what}": copying(count, source, target)}
    timings = in_turns({name: call for name, (call, _) in sticks.items()}, repeats=repeats)
    return {name: rate(sticks[name], timing) for name, timing in timings.items()}


def rate(stick: Yardstick, timing: Timing) -> dict[str, float]:
    """Work a second, and the spread of it."""
    return {"rate": stick[1] / timing.median, "spread": timing.spread}


def told(found: dict[str, dict[str, float]]) -> str:
    """The ceilings as one line."""
    units = {"matrix product": "GFLOP/s"}
    return ", ".join(
        f"{name} {entry['rate'] / 1e9:.0f} {units.get(name, 'GB/s')} (spread {entry['spread']:.0%})"
        for name, entry in found.items()
    )
