"""NumPy, loaded so that the idle threads of its OpenBLAS go to sleep at once; and how many of them there are.

By default they spin for a while in case another matrix product comes.  A network alternates between products and
compiled loops that want the cores themselves: on two cores YOLOv3 took 1.4 times as long.  OpenBLAS reads how long to
spin from the environment, once, when NumPy is loaded; the variable is set for that moment and taken back.  So is the
number of threads, where one was chosen; later it is set by calling the library itself.

Without effect where NumPy was imported before, where the user has set the variable, and for another BLAS library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"  # the binary logarithm of a number of cycles; 4 is the least
VARIABLE = "OPENBLAS_NUM_THREADS"

#: Where a wheel of NumPy keeps its OpenBLAS, beside or inside of the package.
FOLDERS = ("../numpy.libs", ".dylibs", ".libs")

#: The names that its two functions go by, of which one build has one.
NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)

_own: int | None = None  # the number that OpenBLAS had before it was first told another


def load(threads: int | None = None) -> None:
    """Import NumPy, unless it is there already."""
    if "numpy" in sys.modules:
        return
    wanted = {} if TIMEOUT in os.environ else {TIMEOUT: "4"}
    if threads is not None:
        wanted[VARIABLE] = str(threads)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        import numpy  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def set_threads(n: int | None) -> bool:
    """Let matrix products use ``n`` threads, or as many as at first; gives whether OpenBLAS was there to be told."""
    global _own
    functions = openblas()
    if functions is None:
        return False
    get, set_ = functions
    if _own is None:
        _own = get()
    set_(_own if n is None else n)
    return True


@cache
def openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions of NumPy's OpenBLAS that get and set its number of threads, or ``None``."""
    import ctypes

    for path in _libraries():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in NAMES:
            get, set_ = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
            if get is not None and set_ is not None:
                return get, set_
    return None


def _libraries() -> Iterator[Path]:
    """Files that may be the OpenBLAS in use: those of NumPy's wheel, then what this process has loaded (on Linux)."""
    import numpy

    package = Path(numpy.__file__).parent
    for folder in FOLDERS:
        yield from (path.resolve() for path in sorted((package / folder).glob("*openblas*")))
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    loaded = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "openblas" in line and "/" in line}
    yield from (Path(name) for name in sorted(loaded))
