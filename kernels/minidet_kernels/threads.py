"""One number of threads for everything here: Numba's compiled loops and NumPy's matrix products.

``set_threads(n)``, or the environment variable ``MINIDET_THREADS`` when the program starts, governs both libraries.
Where neither is given, each keeps its own default, which is every processor that this process may run on, or what its
own variable says (``NUMBA_NUM_THREADS``, ``OPENBLAS_NUM_THREADS``); but where a container's share of processor time
(``docker run --cpus 2``) is less than its processors, that share is the number, since threads beyond it only wait.

The two libraries never work at the same time for one call: idle threads sleep (see ``blas.py``), so ``n`` is also the
number of cores that are busy.  This module imports neither library before it is asked to.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import warnings
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

from . import blas

VARIABLE = "MINIDET_THREADS"
NUMBA, SPIN, WAIT = "NUMBA_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"

#: How often an idle thread of GNU OpenMP looks for work before it sleeps: some tens of microseconds, enough from
#: one loop to the next, and too short to be missed by the BLAS library (measured).
LOOKS = "10000"

#: More threads than this are taken for a mistake.
MOST = 1024

_chosen: int | None = None  # by set_threads
_local = threading.local()  # what Numba was told in this thread


def set_threads(n: int | None) -> None:
    """Let compiled loops and matrix products use ``n`` threads from now on, in every thread of this process.

    ``None`` goes back to ``MINIDET_THREADS`` or the default.  Numba starts its threads once, at its first use, and no
    less than there are processors: ``n`` may be greater than that only before.

    Raises ``TypeError`` for what is no integer, ``ValueError`` for less than 1, for more than 1,024, and for more
    threads than Numba has started.  Warns where NumPy's matrix products are not by an OpenBLAS that can be told.
    """
    global _chosen
    if n is not None:
        try:
            n = index(n)
        except TypeError:
            raise TypeError(f"set_threads: a whole number or None was expected, not {n!r}") from None
        n = _checked("set_threads", n)
        if "numba" in sys.modules and n > (started := _started()):
            raise ValueError(
                f"set_threads: Numba has started {started} threads and can use no more, not {n}; "
                f"set {VARIABLE}={n} before the program starts, or call this before Numba is imported"
            )
    _chosen = n
    wanted = _wanted()
    if not blas.set_threads(wanted) and wanted is not None:
        warnings.warn(
            "set_threads: NumPy's matrix products are by another library than OpenBLAS, whose number of threads is "
            "left as it is; its own variable sets it (MKL_NUM_THREADS, VECLIB_MAXIMUM_THREADS, OMP_NUM_THREADS)",
            stacklevel=2,
        )


def get_threads() -> int:
    """The number of threads that compiled loops use: of ``set_threads``, ``MINIDET_THREADS``, or the default.

    Raises ``ValueError`` where ``MINIDET_THREADS`` is no number from 1.
    """
    wanted = _wanted()
    if "numba" in sys.modules:
        return min(wanted or MOST, _started())
    own = os.environ.get(NUMBA, "")
    return wanted or (int(own) if own.isdecimal() and int(own) > 0 else processors())


def apply() -> None:
    """Tell Numba, in this thread, which keeps a number for each; called before every compiled operator."""
    _start()
    wanted = _wanted()
    if getattr(_local, "told", None) != wanted:
        import numba

        numba.set_num_threads(get_threads())
        _local.told = wanted


@cache
def processors() -> int:
    """The processors that this process may run on: by affinity, and by the share of time of its control group."""
    return min(_affinity(), _share())


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Processors' worth of time that the control group may use, rounded up; without a limit, very many."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:  # the older interface
            quota, period = ((root / "cpu" / f"cpu.cfs_{part}_us").read_text("ascii") for part in ("quota", "period"))
        except (OSError, ValueError):
            return MOST
    try:
        return max(1, math.ceil(int(quota) / int(period))) if int(quota) > 0 else MOST
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return MOST


def _checked(where: str, n: int) -> int:
    if not 1 <= n <= MOST:
        raise ValueError(f"{where}: a number of threads from 1 to {MOST} was expected, not {n}")
    return n


@cache
def _given() -> int | None:
    """What ``MINIDET_THREADS`` says; read once."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        return _checked(VARIABLE, int(text))
    except ValueError:
        raise ValueError(f"{VARIABLE}: a number of threads from 1 to {MOST} was expected, not {text!r}") from None


def _wanted() -> int | None:
    """The number that somebody chose, or that the control group's share enforces; else ``None``."""
    if _chosen is not None:
        return _chosen
    if (given := _given()) is not None:
        return given
    return _enforced()


@cache
def _enforced() -> int | None:
    return processors() if processors() < _affinity() and NUMBA not in os.environ else None


def _started() -> int:
    import numba

    config: Any = numba.config
    return int(config.NUMBA_NUM_THREADS)


@cache
def _start() -> None:
    """Import Numba and start its threads, which happens once in a process, told to sleep when there is nothing to do.

    GNU OpenMP reads how long to spin from the environment, once, when it is loaded; the variable is set for that
    moment and taken back, and never where the user's environment says how threads wait.  Numba's own variable is set
    where it would start fewer threads than wanted, and stays: Numba reads it again whenever it compiles.
    """
    wanted = _wanted()
    own = os.environ.get(NUMBA, "")
    if "numba" not in sys.modules and wanted and wanted > (int(own) if own.isdecimal() else _affinity()):
        os.environ[NUMBA] = str(wanted)
    quiet = SPIN not in os.environ and WAIT not in os.environ
    if quiet:
        os.environ[SPIN] = LOOKS
    try:
        import numba

        numba.get_num_threads()  # starts them
    finally:
        if quiet:
            del os.environ[SPIN]


def _load_numpy() -> None:
    """Import NumPy; its OpenBLAS reads its number of threads then, and is told later where that came before."""
    try:
        wanted = _wanted()
    except ValueError:
        wanted = None  # said at the first use, where it can be caught
    if wanted is not None and blas.VARIABLE in os.environ and _given() is None:
        wanted = None
    late = "numpy" in sys.modules
    blas.load(wanted)
    if wanted is not None and (late or wanted > _affinity()):  # by its variable it starts no more than processors
        blas.set_threads(wanted)


_load_numpy()
