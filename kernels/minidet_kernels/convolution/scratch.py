"""Memory that a kernel works in and leaves behind, kept from one call to the next; and new memory for its results.

New memory costs a page fault for every 4 KiB that is touched, which for a few megabytes is as long as some layers take.
So each thread of the program keeps one buffer per name, as long as the longest that was asked for.  It is not shared
between threads, holds nothing that anyone may read later, and goes with its thread.
"""

from __future__ import annotations

import math
import threading

import numpy as np

_kept = threading.local()

#: Longer buffers than this are made anew each time, rather than kept.
MOST = 2**25


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array of this shape, with anything in it; valid until the same name is asked for again."""
    size = math.prod(shape)
    if 4 * size > MOST:
        return np.empty(shape, np.float32)
    buffers: dict[str, np.ndarray] = _kept.__dict__
    if name not in buffers or buffers[name].size < size:
        buffers[name] = np.empty(size, np.float32)
    return buffers[name][:size].reshape(shape)


def fresh(shape: tuple[int, ...]) -> np.ndarray:
    """A new float32 array of this shape that begins on a cache line, so that whole vectors do not lie across two."""
    size, line = math.prod(shape), 16
    memory = np.empty(size + line, np.float32)
    start = -memory.ctypes.data // 4 % line
    return memory[start : start + size].reshape(shape)
