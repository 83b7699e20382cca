"""A ``.cu`` file and the launches of its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, library, namespace

i4, f4 = np.int32, np.float32  # a kernel's int and float: Python's numbers have no size
Sizes = int | Sequence[int]

#: Every source that a launcher has named, in the order of the imports: what there is to compile.
SOURCES: list[Source] = []


@dataclass(frozen=True)
class Source:
    """A ``.cu`` file, the macros that it is compiled with, and the instances of templates that are launched.

    ``Source(__file__, "tiled.cu", TILE=16)`` is the file beside the caller's.  ``instances`` lists every instance of a
    kernel template that is launched, such as ``"tile<float, 16>"``.  ``fused`` allows products to be fused with sums
    (``-fmad=true``), which is right for convolution, and wrong wherever bits are promised.
    """

    path: Path
    instances: tuple[str, ...]
    fused: bool
    defines: tuple[tuple[str, str], ...] = field(default=())

    def __init__(
        self, beside: str, name: str, *, instances: Sequence[str] = (), fused: bool = False, **defines: int | str
    ) -> None:
        object.__setattr__(self, "path", Path(beside).resolve().parent / name)
        object.__setattr__(self, "instances", tuple(instances))
        object.__setattr__(self, "fused", fused)
        object.__setattr__(self, "defines", tuple((key, str(value)) for key, value in defines.items()))
        SOURCES.append(self)

    def __call__(self, kernel: str, grid: Sizes, block: Sizes, args: Sequence[Any], *, shared: int = 0) -> None:
        """Launch ``kernel``: ``grid`` blocks of ``block`` threads, each one to three sizes, with ``shared`` bytes.

        ``args``: arrays for pointers (contiguous; ``None`` is the null pointer), NumPy's scalars for values.  A launch
        of no blocks does nothing.
        """
        sizes = _three(grid), _three(block)
        if 0 in sizes[0]:
            return
        most = (2**31 - 1, 65535, 65535)
        if any(size > limit for size, limit in zip(sizes[0], most, strict=True)):
            raise ValueError(
                f"{kernel}: a grid of {sizes[0]} blocks; a GPU takes at most {most}: make the batch smaller"
            )
        for number, x in enumerate(args):
            if hasattr(x, "flags") and library(x) == "cupy" and not x.flags.c_contiguous:
                raise ValueError(f"{kernel}: argument {number} of shape {x.shape} is not contiguous")
        _runner[-1](self, kernel, *sizes, args, shared)


def _three(sizes: Sizes) -> tuple[int, int, int]:
    given = (int(sizes),) if isinstance(sizes, (int, np.integer)) else tuple(map(int, sizes))
    return (*given, 1, 1, 1)[:3]  # type: ignore[return-value]


Runner = Callable[[Source, str, tuple[int, int, int], tuple[int, int, int], Sequence[Any], int], None]


def _on_the_gpu(source: Source, kernel: str, grid: Any, block: Any, args: Sequence[Any], shared: int) -> None:
    from . import device  # CuPy is imported there

    device.launch(source, kernel, grid, block, args, shared)


_runner: list[Runner] = [_on_the_gpu]


@contextmanager
def runs_on(runner: Runner) -> Iterator[None]:
    """Inside the block every launch goes to ``runner(source, kernel, grid, block, args, shared)``."""
    _runner.append(runner)
    try:
        yield
    finally:
        _runner.pop()


_careful: ContextVar[bool] = ContextVar("careful", default=False)


@contextmanager
def careful() -> Iterator[None]:
    """Inside the block every launch waits for its kernel's end, so that an error is that of the kernel it names.

    Slow, and not for the recording of a graph: for finding out which kernel went out of bounds.
    """
    token = _careful.set(True)
    try:
        yield
    finally:
        _careful.reset(token)


def is_careful() -> bool:
    """Whether launches wait (``careful``)."""
    return _careful.get()


def on_the_gpu() -> bool:
    """Whether launches go to a GPU, and not elsewhere (``runs_on``)."""
    return _runner[-1] is _on_the_gpu


def cover(count: int, tile: int) -> int:
    """How many tiles cover ``count`` places."""
    return -(-count // tile)


def dense(x: Array, align: int = 4) -> Array:
    """``x`` as a kernel takes it: C contiguous, beginning at a multiple of ``align`` bytes; a copy if need be."""
    made = namespace(x).ascontiguousarray(x)
    return made.copy() if made.size and made.data.ptr % align else made


#: How far threads may count past the last element before they see that it was the last: a block, or a stride of a grid.
PAST = 2**24


def too_large(**sizes: int) -> str | None:
    """Why a kernel that counts in 32 bits refuses, or ``None``: for an implementation's ``limits``."""
    for name, size in sizes.items():
        if size > 2**31 - PAST:
            return f"counts to 2^31 - 2^24, and {name} has {size} elements"
    return None
