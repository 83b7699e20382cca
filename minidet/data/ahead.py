"""Results computed ahead of whoever takes them, by threads or processes, and handed over in order.

Threads share memory, start at once and overlap with whatever lets go of Python's lock: decoding by Pillow, compiled
loops, matrix products, a GPU.  Processes share nothing and cost a second to start and a copy of each result; they pay
where preparing takes more than one core's worth of Python.  (Measured on 2 cores, 416 x 416 from 640 x 480 with
YOLOv3's augmentation: 121 pictures a second without workers, 147 by 2 threads, 124 by 2 processes; beside matrix
products that take as long, 54, 86 to 96, and 72.)  What comes out is the same either way, as long as the task is a pure
function of its argument.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

KINDS = ("threads", "processes")


class Ahead(Iterator[R], Generic[A, R]):
    """``task(a)`` for each ``a`` of ``arguments``, in their order, at most ``depth`` of them computed ahead.

    ``workers`` threads or processes (``kind``) compute; 0: nothing is done ahead.  An exception of a task is raised
    where its result would have come, and what was being computed is given up.  ``close`` ends the workers, and so do
    the end of a ``with`` block, of the arguments, and of the object's life.  For processes the task and what it takes
    and gives must be fit for pickle, and a script must guard its entry by ``if __name__ == "__main__"``.
    """

    def __init__(
        self,
        task: Callable[[A], R],
        arguments: Iterable[A],
        *,
        workers: int = 2,
        kind: str = "threads",
        depth: int | None = None,
    ) -> None:
        if workers < 0 or kind not in KINDS or (depth is not None and depth < 1):
            raise ValueError(
                f"workers from 0, a kind of {', '.join(KINDS)} and a depth from 1 were expected, found {workers}, "
                f"{kind!r} and {depth}"
            )
        self._task, self._arguments = task, iter(arguments)
        self._depth = max(depth or 2 * workers, 1)
        self._waiting: deque[Future[R]] = deque()
        self._executor: Executor | None = None
        self._closed = False
        if workers and kind == "threads":
            self._executor = ThreadPoolExecutor(workers, "minidet-ahead", initializer=_single_thread)
        elif workers:
            spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
            self._executor = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(task,))
            self._task = _call

    def __iter__(self) -> Ahead[A, R]:
        return self

    def __next__(self) -> R:
        if self._closed:
            raise StopIteration
        try:
            if self._executor is None:
                return self._task(next(self._arguments))
            while len(self._waiting) < self._depth:
                try:
                    argument = next(self._arguments)
                except StopIteration:
                    break
                self._waiting.append(self._executor.submit(self._task, argument))
            if not self._waiting:
                raise StopIteration
            return self._waiting.popleft().result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers; what they have begun is waited for and thrown away.  Closing twice does nothing."""
        self._closed = True
        self._waiting.clear()
        if self._executor is not None:
            executor, self._executor = self._executor, None
            executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Ahead[A, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


def _single_thread() -> None:
    """Compiled loops of a worker stay in its own thread: the other cores have work already."""
    from minidet_kernels import threads

    try:
        import numba
    except ImportError:
        return
    threads.apply()  # once; later calls in this thread see that it has been told
    numba.set_num_threads(1)


_of_this_process: Callable[[Any], Any] | None = None


def _begin(task: Callable[[Any], Any]) -> None:
    """A worker process: remember the task, leave Ctrl-C to the parent, and end when the parent has ended."""
    global _of_this_process
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from minidet_kernels.threads import set_threads

    set_threads(1)
    _of_this_process = task
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    """A parent that was killed cannot say goodbye."""
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)


def _call(argument: Any) -> Any:
    assert _of_this_process is not None
    return _of_this_process(argument)
