"""New memory that begins where a huge page does.

Writing to new memory costs mostly what the system does at the first touch of each page: it finds the page and clears
it.  NumPy asks for huge pages where it can, but the memory that it gets begins anywhere within one, and what lies
before the first boundary and after the last is made of small pages, each found and cleared alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array

#: Bytes of a huge page on x86-64, and on most others too; where it is something else, nothing is lost but the gain.
HUGE = 1 << 21


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """As ``numpy.empty``, at an address that is a multiple of ``HUGE``.  What lies around it is never touched."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + HUGE, np.uint8)
    start = -memory.ctypes.data % HUGE
    return memory[start : start + size].view(dtype).reshape(shape)
