"""Numba's threads, told to sleep when there is nothing to do.

A network alternates between matrix products, on the BLAS library's threads, and compiled loops, on Numba's.  Where
Numba uses GNU OpenMP, an idle thread of its spins for milliseconds in case more work comes, on a core that the next
matrix product wants: on two cores YOLOv3 took 1.4 times as long.  How they wait is arranged where they are started,
in ``minidet_kernels/threads.py``.
"""

from __future__ import annotations

from ..threads import apply


def start_quietly() -> None:
    """Start Numba's threads, which happens once in a process, unless the user's environment says how they wait.

    Without effect where OpenMP was loaded before, or where Numba's threads are not OpenMP's.
    """
    apply()
