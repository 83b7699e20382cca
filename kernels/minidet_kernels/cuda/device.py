"""Launches on a GPU by CuPy: compiles, loads each kernel once for each device, and says in words what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import here
from .compiling import to_cubin
from .errors import DeviceError
from .launch import Source, is_careful

#: Bytes of dynamic shared memory that a block gets without asking.
PLAIN = 48 << 10

Three = tuple[int, int, int]

_loaded: dict[tuple[int, str, int], Any] = {}  # (source, kernel, device) -> CuPy's kernel; sources are never dropped
_allowed: dict[tuple[int, str, int], int] = {}  # dynamic shared memory that was asked for
_lock = threading.RLock()
_NULL = np.uintp(0)

#: Errors after which CUDA does nothing more for the process: they come from a kernel that was launched before.
_EARLIER = ("ILLEGAL_ADDRESS", "MISALIGNED_ADDRESS", "LAUNCH_FAILED", "ILLEGAL_INSTRUCTION", "INVALID_PC", "ASSERT")


def launch(source: Source, kernel: str, grid: Three, block: Three, args: Sequence[Any], shared: int) -> None:
    """Launch ``kernel`` on the current device and stream; returns before it has run.

    ``args``: CuPy's arrays of the current device for pointers, ``None`` for the null pointer, NumPy's scalars for
    values (structs too).  ``shared``: bytes of dynamic shared memory.

    Raises ``CompileError``, ``NoCompilerError``, ``DeviceError`` for what the GPU refuses, and ``MemoryError``.
    """
    try:
        import cupy

        device = int(cupy.cuda.runtime.getDevice())
    except (ImportError, RuntimeError):
        found = here.gpu()
        if isinstance(found, str):
            raise DeviceError(f"{kernel} {found}") from None
        raise
    given = tuple(_argument(kernel, number, x, device) for number, x in enumerate(args))
    key = id(source), kernel, device
    try:
        loaded = _loaded.get(key) or _load(source, kernel, key)
        if shared > PLAIN and _allowed.get(key, PLAIN) < shared:
            _allow(loaded, kernel, key, shared)
        loaded(grid, block, given, shared_mem=shared)
        if is_careful():
            cupy.cuda.get_current_stream().synchronize()
    except (cupy.cuda.driver.CUDADriverError, cupy.cuda.runtime.CUDARuntimeError) as error:
        raise _in_words(error, kernel, grid, block, shared) from error


def _argument(kernel: str, number: int, x: Any, device: int) -> Any:
    """``x`` as CuPy takes it."""
    if x is None:
        return _NULL  # some versions of CuPy hand None on as no argument at all
    if isinstance(x, np.void):
        return np.array(x)  # a struct: an array of one is passed by value
    if isinstance(x, (np.ndarray, bool, int, float)):
        kind = "NumPy's array: copy it to the device" if isinstance(x, np.ndarray) else "without a size: np.int32(...)"
        raise TypeError(f"{kernel}: argument {number} is {kind}")
    at = getattr(x, "data", None)
    if at is not None and hasattr(at, "device_id") and at.device_id != device and x.size:
        raise ValueError(
            f"{kernel}: argument {number} lies on GPU {at.device_id}, and GPU {device} is the current one; "
            f"say with cupy.cuda.Device({at.device_id}): ..."
        )
    return x


def _load(source: Source, kernel: str, key: tuple[int, str, int]) -> Any:
    import cupy

    with _lock:
        if key not in _loaded:
            found = here.gpu()
            if isinstance(found, str):
                raise DeviceError(f"{kernel} {found}")
            # Of a template only what is launched, for each instance takes its time.
            instances = [kernel] if kernel in source.instances else []
            if "<" in kernel and not instances:
                raise KeyError(f"{source.path} names no instance {kernel} (Source(..., instances=...))")
            made = to_cubin(source, found.architecture, instances=instances)
            module = cupy.RawModule(path=str(made.path))
            _loaded[key] = module.get_function(made.name(kernel))
        return _loaded[key]


def _allow(loaded: Any, kernel: str, key: tuple[int, str, int], shared: int) -> None:
    found = here.gpu()
    if isinstance(found, here.Gpu) and shared > found.shared:
        raise DeviceError(
            f"{kernel} needs {shared} bytes of shared memory for a block; {found.name} has {found.shared}"
        )
    with _lock:
        loaded.max_dynamic_shared_size_bytes = shared
        _allowed[key] = shared


def _in_words(error: Exception, kernel: str, grid: Three, block: Three, shared: int) -> Exception:
    said = " ".join(str(error).split())
    name = said.partition(":")[0].upper()
    launched = f"{_times(grid)} blocks of {_times(block)} threads with {shared} bytes of dynamic shared memory"
    if "OUT_OF_MEMORY" in name or "MEMORYALLOCATION" in name:
        return MemoryError(f"{kernel}: the GPU has too little memory left to load or to launch it ({said})")
    if any(part in name or part.replace("_", "") in name for part in _EARLIER):
        mine = "it, or " if is_careful() else ""
        return DeviceError(
            f"{kernel}: {mine}a kernel before it went wrong, and this process can use the GPU no more ({said}); to see "
            "which, launch in `with minidet_kernels.cuda.careful():`, or run it on the CPU (docs/cuda_on_cpu.md)"
        )
    if "OUT_OF_RESOURCES" in name:
        return DeviceError(f"{kernel}: the GPU has too few registers for {launched} ({said})")
    if "NO_BINARY" in name or "INVALID_IMAGE" in name or "INVALID_SOURCE" in name:
        return DeviceError(
            f"{kernel}: the driver does not take what was compiled for this GPU; it may be too old ({said})"
        )
    if "INVALID_VALUE" in name or "INVALIDVALUE" in name:
        return DeviceError(f"{kernel}: the GPU refuses {launched} ({said})")
    return DeviceError(f"{kernel}: {said}")


def _times(sizes: Three) -> str:
    return " x ".join(str(size) for size in sizes if size != 1) or "1"
