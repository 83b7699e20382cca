"""Every CUDA source of the rooms, compiled for every architecture, in several processes."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import compilers
from .compiling import ARCHITECTURES, Compiled, to_cubin
from .launch import SOURCES, Source

ROOMS = Path(__file__).resolve().parents[1]


def sources() -> list[Source]:
    """The sources that the rooms' launchers name (``cuda.py``, ``cuda_*.py``), which are imported for it."""
    for path in sorted(ROOMS.glob("*/cuda*.py")):
        importlib.import_module(f"{__package__.rpartition('.')[0]}.{path.parent.name}.{path.stem}")
    return [source for source in dict.fromkeys(SOURCES) if ROOMS in source.path.parents]


def title(source: Source) -> str:
    """What a source is called in tables: its path in the rooms, and its macros."""
    macros = "".join(f" {name}={value}" for name, value in source.defines)
    return f"{source.path.relative_to(ROOMS).as_posix()}{macros}"


class Made(NamedTuple):
    """A source, an architecture, and what became of it: compiled, or the error in a line."""

    source: Source
    architecture: str
    result: Compiled | str


def compile_all(
    architectures: Sequence[str] = ARCHITECTURES, *, only: str = "", jobs: int | None = None, by: str | None = None
) -> Iterator[Made]:
    """Every source whose title contains ``only`` for each architecture, by ``jobs`` processes (1: by this one)."""
    wanted = [source for source in sources() if only in title(source)]
    work = [(number, architecture) for architecture in architectures for number in range(len(wanted))]
    count = jobs or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else jobs or os.cpu_count() or 1
    compilers.compiler(by)  # without one there is nothing to start
    if count == 1:
        for number, architecture in work:
            yield Made(wanted[number], architecture, _one(wanted[number], architecture, by))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        waiting = [pool.submit(_of_path, wanted[number].path, title(wanted[number]), arch, by) for number, arch in work]
        for (number, architecture), made in zip(work, waiting, strict=True):
            yield Made(wanted[number], architecture, made.result())


def _one(source: Source, architecture: str, by: str | None) -> Compiled | str:
    try:
        return to_cubin(source, architecture, by=by)
    except (ValueError, RuntimeError, OSError) as error:
        return str(error)


def _of_path(path: Path, name: str, architecture: str, by: str | None) -> Compiled | str:
    """In another process, whose sources are its own: found by path and title."""
    found = next(source for source in sources() if source.path == path and title(source) == name)
    return _one(found, architecture, by)
