"""How many threads NumPy's matrix products use.

The products of a small network take microseconds each, and OpenBLAS hands every one of them to all its threads: on two
cores that gains nothing when they are idle, and loses a factor of ten when they are not (measured, see
docs/training.md).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

#: Where a wheel of NumPy keeps its OpenBLAS, beside or inside of the package.
FOLDERS = ("../numpy.libs", ".dylibs", ".libs")

#: The names that its two functions go by, of which one build has one.
NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")


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


def _find() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    package = Path(np.__file__).parent
    for folder in FOLDERS:
        for path in sorted((package / folder).glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path.resolve()))
            except OSError:
                continue
            for name in NAMES:
                get, set_ = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
                if get is not None and set_ is not None:
                    return get, set_
    return None
