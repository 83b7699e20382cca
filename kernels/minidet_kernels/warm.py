"""Compile every kernel ahead: ``python -m minidet_kernels.warm``.

Numba compiles one function at a time in a process, so several processes do it, each some modules; what they make is
kept on disk, and programs started later begin at once.  Modules that call each other's compiled functions go to the
same process: Numba's files are not meant for two that compile one function for different types at the same time.

For an image of a container: run this once while it is built, with ``NUMBA_CACHE_DIR`` set to a folder in the image.
What is kept holds for one processor model and one version of Numba and of the sources.
"""

from __future__ import annotations

import argparse
import importlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import compiling
from .examples import EXAMPLES
from .table import OPS, Impl
from .threads import get_threads

#: Called with the number of implementations done, of how many, and the name of the last one.
Report = Callable[[int, int, str], None]


def compiled() -> list[tuple[str, Impl]]:
    """Every operator and implementation of the table that Numba compiles."""
    return [(op.name, impl) for op in OPS.values() for impl in op.impls.values() if "numba" in impl.needs]


def groups() -> list[list[str]]:
    """The modules of these implementations, those together that share compiled functions; the largest group first."""
    names = [impl.target.partition(":")[0] for _, impl in compiled()]
    found: list[set[str]] = []
    for name in sorted(set(names)):
        linked = {name, *_called(importlib.import_module(name))}
        for other in [group for group in found if group & linked]:
            linked |= other
            found.remove(other)
        found.append(linked)
    work = [sorted(group & set(names)) for group in found]
    return sorted(work, key=lambda group: -sum(names.count(name) for name in group))


def _called(module: ModuleType) -> Iterator[str]:
    """The modules with compiled functions that this one has names for."""
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        if name.startswith(f"{__package__}.") and any(map(_is_compiled, vars(sys.modules[name]).values())):
            yield name


def _is_compiled(value: Any) -> bool:
    return hasattr(value, "py_func")


def compile_modules(modules: Sequence[str], dtypes: Sequence[str]) -> Iterator[str]:
    """Run the examples of every implementation in these modules, here; gives the name of each when it is done."""
    for name, impl in compiled():
        if impl.target.partition(":")[0] in modules:
            for dtype in dtypes:
                for args, options in EXAMPLES[name](np.dtype(dtype).type):
                    if OPS[name].refusal(impl.name, *args, **options) is None:
                        impl.load()(*args, **options)
            yield f"{name} {impl.name}"


def warm(
    dtypes: Sequence[str] = ("float32", "float64"), *, jobs: int | None = None, report: Report | None = None
) -> int:
    """Compile every kernel for these dtypes, in as many processes as there are threads; gives how many there are.

    Raises ``RuntimeError`` with the last line of what a process said when it fails.
    """
    work, done = groups(), 0
    total, lines = len(compiled()), queue.Queue[str | None]()
    errors: list[str] = []
    waiting = iter(work)
    lock = threading.Lock()

    def one_process() -> None:
        while not errors:
            with lock:
                modules = next(waiting, None)
            if modules is None:
                break
            with _worker(modules, dtypes) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                for line in process.stdout:
                    lines.put(line.strip())
                said = process.stderr.read()
            if process.returncode:
                errors.append((said.strip().splitlines() or [f"exit status {process.returncode}"])[-1])
        lines.put(None)

    threads = [threading.Thread(target=one_process, daemon=True) for _ in range(min(jobs or get_threads(), len(work)))]
    for thread in threads:
        thread.start()
    running = len(threads)
    while running:
        name = lines.get()
        if name is None:
            running -= 1
            continue
        done += 1
        if report is not None:
            report(done, total, name)
    if errors:
        raise RuntimeError(f"warm: {errors[0]}")
    return done


def _worker(modules: Sequence[str], dtypes: Sequence[str]) -> subprocess.Popen[str]:
    """A process that compiles these modules, writing a line for each implementation."""
    here = str(Path(__file__).parent.parent)
    path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, "-m", f"{__package__}.warm", "--dtypes", ",".join(dtypes), "--modules", *modules]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=pipe, stderr=pipe, text=True)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m minidet_kernels.warm``."""
    parser = argparse.ArgumentParser(prog="python -m minidet_kernels.warm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as there are threads)")
    parser.add_argument(
        "--dtypes", default="float32,float64", metavar="D,D", help="for arrays of these (default: %(default)s)"
    )
    parser.add_argument("--modules", nargs="+", metavar="M", help="only these modules, in this process")
    options = parser.parse_args(argv)
    dtypes = options.dtypes.split(",")
    if not set(dtypes) <= {"float32", "float64"} or (options.jobs is not None and options.jobs < 1):
        parser.error("--dtypes is float32, float64 or both, --jobs a number from 1")
    if options.modules:
        import logging

        logging.getLogger(compiling.LOGGER).setLevel(logging.ERROR)  # whoever started this says what is going on
        for name in compile_modules(options.modules, dtypes):
            print(name, flush=True)
        return 0
    start = time.perf_counter()
    done = warm(dtypes, jobs=options.jobs, report=_line)
    print(f"{done} implementations in {time.perf_counter() - start:.0f} s, kept in {compiling.folder()}")
    return 0


def _line(done: int, total: int, name: str) -> None:
    """One line that overwrites itself on a terminal, and every tenth elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{done}/{total} {name:40}", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done % 10 == 0 or done == total:
        print(f"{done}/{total} {name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
