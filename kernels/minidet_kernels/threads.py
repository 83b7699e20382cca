"""Numba's threads, told to sleep when there is nothing to do.

A network alternates between matrix products, on the BLAS library's threads, and compiled loops, on Numba's.  Where
Numba uses GNU OpenMP, an idle thread of its spins for milliseconds in case more work comes, on a core that the next
matrix product wants: on two cores YOLOv3 took 1.4 times as long.  OpenMP reads how long to spin from the environment,
once, when it is loaded; so the threads are started here with the variable set, and it is taken back at once.
"""

from __future__ import annotations

import os
from functools import cache

import numba

SPIN = "GOMP_SPINCOUNT"
CHOSEN = (SPIN, "OMP_WAIT_POLICY")


@cache
def start_quietly() -> None:
    """Start Numba's threads, which happens once in a process, unless the user's environment says how they wait.

    Without effect where OpenMP was loaded before, or where Numba's threads are not OpenMP's.
    """
    chosen = any(name in os.environ for name in CHOSEN)
    if not chosen:
        os.environ[SPIN] = "1000"
    try:
        numba.get_num_threads()  # starts them
    finally:
        if not chosen:
            del os.environ[SPIN]
