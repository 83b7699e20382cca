"""What Numba is doing when the first call takes long, said on the logger ``minidet``; and where it keeps the result.

Compiled kernels are kept on disk, so the next process starts at once.  When the compilation of what is not kept yet
takes longer than a second, one warning is logged: what is compiled, that it happens once, and where it is kept.
Without any configuration Python prints it on standard error; ``logging.getLogger("minidet").setLevel(logging.ERROR)``
turns it off.  Nothing runs, and nothing is imported, when nothing is compiled.

Numba refuses to make a kernel when no folder can be written.  Then a temporary one is used, and that is said once.
"""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from typing import Any

from . import stamps

LOGGER = "minidet"

#: Seconds of compilation after which something is said.
LONG = 1.0


def _say(message: str, *values: object) -> None:
    import logging

    logging.getLogger(LOGGER).warning(message, *values)


class Speaker:
    """Told when a compilation starts and ends, says a line once those not yet spoken of have taken ``LONG`` seconds.

    Compilations nest, since a kernel compiles the functions that it calls: the outermost counts.  Numba compiles one at
    a time in a process.
    """

    def __init__(self, long: float = LONG) -> None:
        self.long, self.spent, self.depth = long, 0.0, 0
        self.said: set[str] = set()
        self.began = 0.0
        self.timer: threading.Timer | None = None

    def start(self, module: str, folder: str) -> None:
        """The compilation of a function of ``module`` begins; it will be kept in ``folder``."""
        self.depth += 1
        if self.depth > 1 or module in self.said:
            return
        self.began = time.perf_counter()
        self.timer = threading.Timer(max(0.0, self.long - self.spent), self._speak, (module, folder))
        self.timer.daemon = True
        self.timer.start()

    def end(self) -> None:
        """It has ended."""
        self.depth -= 1
        if self.depth == 0 and self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.spent += time.perf_counter() - self.began

    def _speak(self, module: str, folder: str) -> None:
        self.said.add(module)
        self.spent = -(time.perf_counter() - self.began)  # what follows counts from now
        _say("compiling %s for this processor; this happens once, the result is kept in %s", module, folder)


@cache
def watch() -> None:
    """Look after Numba's compilations from now on: where they are kept, until when, and that a long one is said."""
    from numba.core import event

    stamps.watch()
    keep()
    speaker = Speaker()

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            speaker.start(dispatcher.py_func.__module__, dispatcher.stats.cache_path or "no folder")

        def on_end(self, event: Any) -> None:
            speaker.end()

    event.register("numba:compile", Listener())


def folder() -> str:
    """The folder where Numba keeps what it compiles of this module's folder.  Raises ``RuntimeError`` for none."""
    import numba

    return str(numba.njit(cache=True)(_nothing).stats.cache_path)


def _nothing() -> None:
    """Stands for every kernel: where its compiled form would be kept is where theirs is."""


def keep() -> None:
    """See to it that there is a folder to keep compiled kernels in, and say so when it is not the one that was named.

    Without one, a temporary folder is used until the process ends.
    """
    import numba

    config: Any = numba.config
    if config.DISABLE_JIT:
        return
    named = config.CACHE_DIR
    try:
        found = folder()
    except RuntimeError:
        config.CACHE_DIR = _temporary()
        _say(
            "no folder can be written to keep compiled kernels in, so every process compiles its own; "
            "set NUMBA_CACHE_DIR to one that can"
        )
        return
    if named and not os.path.abspath(found).startswith(os.path.abspath(named)):
        _say("NUMBA_CACHE_DIR, %s, cannot be written; compiled kernels are kept in %s", named, found)


def _temporary() -> str:
    import atexit
    import shutil
    import tempfile

    path = tempfile.mkdtemp(prefix="minidet-numba-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
