"""How many threads NumPy's matrix products use.

The products of a small network take microseconds each, and OpenBLAS hands every one of them to all its threads: on two
cores that gains nothing when they are idle, and loses a factor of ten when they are not (measured, see
docs/training.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minidet_kernels.blas import openblas as _find


@contextmanager
def blas_threads(count: int) -> Iterator[bool]:
    """Let matrix products use ``count`` threads inside the block; gives whether that could be arranged.

    It cannot for another library than the OpenBLAS in NumPy's wheels, and is not done where the environment variable
    ``OPENBLAS_NUM_THREADS`` is set, since then somebody has chosen.
    """
    functions = None if "OPENBLAS_NUM_THREADS" in os.environ else _find()
    if functions is None:
        yield False
        return
    get, set_ = functions
    before = get()
    set_(count)
    try:
        yield True
    finally:
        set_(before)
