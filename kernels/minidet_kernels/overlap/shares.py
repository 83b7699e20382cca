"""Work shared among threads of this process, for compiled functions that let go of the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import numba

#: Portions for each thread: one that is held up leaves the rest to the others.
PORTIONS = 32


def in_shares(work: Callable[[int, int], None], n: int, *, least: int = 1) -> None:
    """Call ``work(start, stop)`` for portions that together are ``0 .. n``, each of at least ``least`` but the last.

    On as many threads as ``numba.get_num_threads()`` says (at first ``NUMBA_NUM_THREADS``, or the number of cores), of
    which the caller's is one.  The threads are Python's own, so any number of callers may do this at the same time.
    The first error of any portion is raised.
    """
    threads = min(numba.get_num_threads(), -(-n // least))
    if threads <= 1:
        work(0, n)
        return
    step = max(least, -(-n // (threads * PORTIONS)))
    turns = count()  # next() of it is one operation of the interpreter: no two threads get the same number
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while not errors and (start := next(turns) * step) < n:
                work(start, min(start + step, n))
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=run, daemon=True) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    run()
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
