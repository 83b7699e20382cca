"""A compiled source and its kernels."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import arguments, compiler, launch
from .arguments import Parameter
from .errors import KernelError, of_the_runtime
from .worker import Worker


class _Library:
    """The kernels in this process: fast, but what goes out of bounds may take Python along."""

    def __init__(self, path: Path, count: int) -> None:
        self._library = ctypes.CDLL(str(path))
        self._count = count
        self._library.minidet_static_shared.restype = ctypes.c_uint64
        self._library.minidet_parameters.restype = ctypes.POINTER(arguments.Described)
        self._launch = self._library.minidet_launch
        self._launch.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        self.static_shared = int(self._library.minidet_static_shared())

    def turns(self) -> tuple[int, int]:
        counts = (ctypes.c_uint64 * 2)()
        self._library.minidet_turns(counts)
        return counts[0], counts[1]

    def parameters(self) -> list[list[arguments.Described]]:
        every = []
        for number in range(self._count):
            count = ctypes.c_uint()
            found = self._library.minidet_parameters(number, ctypes.byref(count))
            every.append([found[i] for i in range(count.value)])
        return every

    def launch(self, name: str, number: int, how: launch.Launch, checked: arguments.Checked) -> None:
        pointers = [array.ctypes.data for array in checked.arrays]
        values = []
        for value in checked.values:
            data = (pointers[value] if value >= 0 else 0).to_bytes(8, "little") if isinstance(value, int) else value
            holder = ctypes.create_string_buffer(len(data) + 64)  # room to align it: a struct may want 16 bytes
            address = (ctypes.addressof(holder) + 63) // 64 * 64
            ctypes.memmove(address, data, len(data))
            values.append((holder, address))
        addresses = (ctypes.c_void_p * max(1, len(values)))(*(address for _, address in values))
        error = ctypes.create_string_buffer(4096)
        if self._launch(number, ctypes.byref(how), addresses, error, len(error)):
            raise of_the_runtime(name, error.value.decode())


class Kernel:
    """A kernel that can be launched: ``kernel(grid, block, arguments, ...)``."""

    def __init__(
        self, name: str, number: int, parameters: Sequence[Parameter], runs_in: _Library | Worker, max_shared: int
    ) -> None:
        self.name = name
        self.parameters = tuple(parameters)
        self._number, self._runs_in, self._max_shared = number, runs_in, max_shared

    def __repr__(self) -> str:
        return f"<Kernel {self.name}({', '.join(f'{p} {p.name}'.strip() for p in self.parameters)})>"

    def __call__(
        self,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        args: Sequence[Any],
        *,
        shared: int = 0,
        schedule: str = "forward",
        seed: int = 0,
        host_threads: int = 1,
    ) -> None:
        """Run ``grid`` blocks of ``block`` threads, each one to three sizes, and wait for the end.

        ``args``: NumPy arrays for pointers (written in place; ``None`` is the null pointer), NumPy scalars for values.
        ``shared``: bytes of dynamic shared memory.  ``schedule``: ``"forward"``, ``"reverse"``, ``"random"`` (by
        ``seed``), or ``"all"``: all three, which must leave the same bytes in every array.  ``host_threads``: so many
        blocks at a time (1 in a sanitizer's build).

        Raises ``TypeError`` and ``ValueError`` for arguments that do not fit, ``KernelError`` for what the kernel does.
        """
        checked = arguments.check(self.name, self.parameters, args)
        for one in launch.SCHEDULES if schedule == "all" else (schedule,):
            how = launch.make(
                self.name,
                grid,
                block,
                shared=shared,
                most_shared=self._max_shared,
                schedule=one,
                seed=seed,
                host_threads=host_threads,
            )
            if schedule != "all":
                self._runs_in.launch(self.name, self._number, how, checked)
            elif one == launch.SCHEDULES[0]:
                before = [array.copy() for array in checked.arrays]
                self._runs_in.launch(self.name, self._number, how, checked)
            else:
                other = arguments.Checked(checked.values, [_aligned(array) for array in before])
                self._runs_in.launch(self.name, self._number, how, other)
                self._compare(one, checked, other)

    def _compare(self, schedule: str, first: arguments.Checked, other: arguments.Checked) -> None:
        names: dict[int, str] = {}
        for parameter, value in zip(self.parameters, first.values, strict=True):
            if isinstance(value, int):
                names.setdefault(value, parameter.name)
        for number, (a, b) in enumerate(zip(first.arrays, other.arrays, strict=True)):
            one, two = (array.reshape(-1).view("u1") for array in (a, b))
            if not np.array_equal(one, two):
                at = int(np.flatnonzero(one != two)[0]) // a.itemsize
                values = f"{a.reshape(-1)[at]} and {b.reshape(-1)[at]}"
                raise KernelError(
                    f"{self.name}: schedules differ: forward and {schedule} leave {values} in element {at} of "
                    f"{names.get(number) or f'array {number}'}; does it depend on which thread comes first?",
                    kind="schedules differ",
                )


def _aligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy that begins at a multiple of 64 bytes."""
    raw = np.empty(array.nbytes + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    copy = raw[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def empty(shape: int | Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
    """An array as a device might hand it over: aligned to 64 bytes, and full of 0xFF bytes (NaN, -1), not of zeros."""
    size = np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize
    return _aligned(np.full(size, 255, np.uint8)).view(dtype).reshape(shape)


class Module:
    """The kernels of one source, compiled for the CPU.  Made by ``from_file`` or ``from_text``."""

    def __init__(
        self, text: str, path: Path, instances: Sequence[str], options: compiler.Options, timeout: float
    ) -> None:
        self._text, self._path, self._options, self._timeout = text, path, options, timeout
        self._lock = threading.Lock()
        self._parts: dict[str, Module] = {}  # of template instances that were asked for later
        built = compiler.build(text, path, instances, options)
        self._entries, self._found = built.entries, {kernel.name: kernel for kernel in built.found}
        count = len(self._entries)
        self._runs_in = Worker(built.path, count, timeout) if options.apart else _Library(built.path, count)
        self._parameters = self._runs_in.parameters()
        if count == 1 and self._runs_in.static_shared > launch.SHARED:
            raise compiler.CompileError(
                f"{path}: {self._entries[0]} has {self._runs_in.static_shared} bytes of __shared__ variables; "
                f"a GPU takes {launch.SHARED} (use dynamic shared memory for more)"
            )

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        defines: Mapping[str, object] | None = None,
        include: Sequence[str | os.PathLike[str]] = (),
        instantiate: Sequence[str] = (),
        sanitize: str | None = None,
        apart: bool | None = None,
        flags: Sequence[str] = (),
        compiler: str = "g++",
        cache: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
    ) -> Module:
        """Compile the ``.cu`` file at ``path``, or take what is kept of an earlier time.

        ``defines``: macros and their values.  ``include``: folders for its own headers.  ``instantiate``: instances of
        kernel templates, such as ``"tile<float, 16>"``; others are made when ``kernel`` asks for them.
        ``sanitize``: ``None``, ``"address"`` (and undefined behaviour) or ``"thread"`` (races).  ``apart``: run in a
        program of its own, so that a crash is an error (always with a sanitizer), for ``timeout`` seconds at most.
        ``flags``: more for the compiler.  ``cache``: the folder for what is compiled.

        Raises ``OSError`` for a file that cannot be read, ``CompileError``, and ``NoCompilerError``.
        """
        file = Path(path).resolve()
        options = _options(defines, include, sanitize, apart, flags, compiler, cache)
        return cls(file.read_text("utf-8"), file, instantiate, options, timeout)

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        name: str = "kernel.cu",
        defines: Mapping[str, object] | None = None,
        include: Sequence[str | os.PathLike[str]] = (),
        instantiate: Sequence[str] = (),
        sanitize: str | None = None,
        apart: bool | None = None,
        flags: Sequence[str] = (),
        compiler: str = "g++",
        cache: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
    ) -> Module:
        """Compile ``text``, which errors call ``name``; all else as ``from_file``."""
        options = _options(defines, include, sanitize, apart, flags, compiler, cache)
        return cls(text, Path(name), instantiate, options, timeout)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of the kernels; of a template, the bare name and each instance."""
        return tuple(dict.fromkeys([*self._found, *self._entries]))

    def kernel(self, name: str, *, max_shared: int = launch.SHARED) -> Kernel:
        """The kernel ``name``, which may be an instance of a template: ``"tile<float, 16>"``.

        ``max_shared``: bytes of dynamic shared memory that a launch may ask for (a GPU wants more than 48 KB to be
        asked for beforehand).  Raises ``KeyError`` for a name that is not there.
        """
        if name not in self._entries:
            base = name.split("<")[0].strip()
            if base not in self._found:
                raise KeyError(f"{self._path} has no kernel {base}; it has {', '.join(self.kernels) or 'none'}")
            if "<" not in name:
                raise KeyError(f'{base} is a template: ask for an instance, such as "{base}<float>"')
            with self._lock:
                if name not in self._parts:
                    self._parts[name] = Module(self._text, self._path, [name], self._options, self._timeout)
            return self._parts[name].kernel(name, max_shared=max_shared)
        number = self._entries.index(name)
        described = self._parameters[number]
        names = self._found[name.split("<")[0].strip().split("::")[-1]].parameters
        if len(names) != len(described):
            names = ("",) * len(described)
        parameters = [Parameter.of(n, d) for n, d in zip(names, described, strict=True)]
        return Kernel(name, number, parameters, self._runs_in, max_shared)

    def turns(self) -> tuple[int, int]:
        """How many 8 x 16 byte matrices ``ldmatrix`` has read, and in how many turns of the banks of shared memory.

        Equal numbers: no two rows of a matrix stood in the same banks.  Counted from the addresses that the lanes
        bring, since the source was compiled or loaded by this process; not where it runs in a program of its own.
        """
        if not isinstance(self._runs_in, _Library):
            raise ValueError(f"{self._path}: turns are counted where kernels run in this process, not apart")
        parts = [self._runs_in.turns(), *(part.turns() for part in self._parts.values())]
        return sum(matrices for matrices, _ in parts), sum(taken for _, taken in parts)

    def sanitized(self, sanitize: str) -> Module:
        """The same source, compiled with a sanitizer."""
        options = replace(self._options, sanitize=sanitize, apart=True)
        return Module(self._text, self._path, [e for e in self._entries if "<" in e], options, self._timeout)


def _options(
    defines: Mapping[str, object] | None,
    include: Sequence[str | os.PathLike[str]],
    sanitize: str | None,
    apart: bool | None,
    flags: Sequence[str],
    compiler_name: str,
    cache: str | os.PathLike[str] | None,
) -> compiler.Options:
    if sanitize not in (None, "address", "thread"):
        raise ValueError(f'sanitize is None, "address" or "thread", not {sanitize!r}')
    if sanitize and apart is False:
        raise ValueError("a sanitizer's build runs in a program of its own: leave apart out")
    return compiler.Options(
        defines=tuple((key, "1" if value is True else str(value)) for key, value in (defines or {}).items()),
        include=tuple(Path(folder).resolve() for folder in include),
        flags=tuple(flags),
        sanitize=sanitize,
        apart=bool(apart or sanitize),
        compiler=compiler_name,
        cache=Path(cache) if cache else None,
    )
