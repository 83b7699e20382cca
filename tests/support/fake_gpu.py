"""A GPU that is not there: the few names of CuPy that launches use, and a compiler that makes files without code.

    with fake_gpu(capability="80") as gpu:
        launch(...)
    gpu.launched, gpu.loaded

What CuPy and CUDA refuse, it refuses: kernels that are not in the module, more shared memory than was asked for,
arguments that have no size.  ``gpu.fail = "CUDA_ERROR_..."`` makes launches fail, ``gpu.fail_load`` loading.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from minidet_kernels.cuda import compilers, device, here, launch, runs_on
from minidet_kernels.cuda.compilers import Output


class CUDARuntimeError(RuntimeError):
    """What CuPy raises for the runtime's errors."""


class CUDADriverError(RuntimeError):
    """What CuPy raises for the driver's errors."""


class ndarray:  # noqa: N801
    """A float32 array of a device: an address, a shape, and nothing in it."""

    __module__ = "cupy"

    def __init__(self, *shape: int, on: int = 0, contiguous: bool = True) -> None:
        self.shape, self.size, self.dtype = shape, int(np.prod(shape)), np.dtype(np.float32)
        self.data = SimpleNamespace(ptr=0x7F00, device_id=on)
        self.flags = SimpleNamespace(c_contiguous=contiguous)

    def __len__(self) -> int:
        return self.shape[0]


class Compiler:
    """Makes a "cubin" that names the kernels, and a log such as ``ptxas`` writes."""

    name = "a compiler 1.0"

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def compile(self, path: Path, architecture: str, flags: Sequence[str], instances: Sequence[str]) -> Output:
        self.made.append((path.name, architecture))
        plain = re.findall(
            r'extern "C" __global__[^{]*?(?!__launch_bounds__)\b(\w+)\((?!TILE)', path.read_text("utf-8")
        )
        names = {name: "_Z" + re.sub(r"\W+", "_", name) for name in instances}
        lines = []
        for entry in [*plain, *names.values()]:
            lines += [
                f"ptxas info    : Compiling entry function '{entry}' for 'sm_{architecture}'",
                f"ptxas info    : Function properties for {entry}",
                "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
                "ptxas info    : Used 32 registers, used 1 barriers, 320 bytes smem",
            ]
        code = f"sm_{architecture} " + " ".join([*plain, *names.values()])
        return Output(code.encode(), "\n".join(lines), names)


@dataclass
class Fake:
    """What there is, and what was done with it."""

    capability: str = "90"
    name: str = "NVIDIA H100"
    driver: int = 13000
    runtime: int = 13020
    count: int = 1
    shared: int = 232448
    current: int = 0
    fail: str = ""
    fail_load: str = ""
    refuse: str = ""  # what getDeviceCount() raises
    loaded: list[Path] = field(default_factory=list)
    launched: list[tuple[Any, ...]] = field(default_factory=list)
    waited: int = 0
    compiler: Compiler = field(default_factory=Compiler)

    def get_device_count(self) -> int:
        if self.refuse:
            raise CUDARuntimeError(self.refuse)
        return self.count

    def get_device(self) -> int:
        if not self.driver:
            raise CUDARuntimeError(
                "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
            )
        return self.current

    def wait(self) -> None:
        self.waited += 1

    def module(self) -> ModuleType:
        gpu, cupy = self, ModuleType("cupy")

        class RawModule:
            def __init__(self, *, path: str) -> None:
                self.path = Path(path)
                gpu.loaded.append(self.path)

            def get_function(self, name: str) -> RawKernel:
                if gpu.fail_load:
                    raise CUDADriverError(gpu.fail_load)
                if name not in self.path.read_text().split():
                    raise CUDADriverError("CUDA_ERROR_NOT_FOUND: named symbol not found")
                return RawKernel(name, gpu.current)

        class RawKernel:
            max_dynamic_shared_size_bytes = 48 << 10

            def __init__(self, name: str, on: int) -> None:
                self.name, self.on = name, on

            def __call__(
                self, grid: tuple[int, ...], block: tuple[int, ...], args: Any, *, shared_mem: int = 0
            ) -> None:
                assert type(grid) is type(block) is tuple
                assert self.on == gpu.current, "a kernel that was loaded for another device"
                for x in args:
                    by_value = isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.size == 1)
                    assert isinstance(x, ndarray) or (by_value and not isinstance(x, np.void)), type(x)
                if gpu.fail:
                    raise CUDADriverError(gpu.fail)
                if shared_mem > self.max_dynamic_shared_size_bytes:
                    raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
                gpu.launched.append((self.name, grid, block, tuple(args), shared_mem))

        def described(number: int) -> Any:
            attributes = {"MaxSharedMemoryPerBlockOptin": gpu.shared}
            return SimpleNamespace(compute_capability=gpu.capability, attributes=attributes)

        runtime = SimpleNamespace(
            driverGetVersion=lambda: gpu.driver,
            runtimeGetVersion=lambda: gpu.runtime,
            getDeviceCount=self.get_device_count,
            getDevice=self.get_device,
            getDeviceProperties=lambda number: {"name": gpu.name.encode()},
            CUDARuntimeError=CUDARuntimeError,
        )
        parts: Any = cupy
        parts.RawModule, parts.ndarray = RawModule, ndarray
        parts.cuda = SimpleNamespace(
            runtime=runtime,
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            Device=described,
            get_current_stream=lambda: SimpleNamespace(synchronize=self.wait),
        )
        return cupy


@contextmanager
def fake_gpu(cache: Path, **what: Any) -> Iterator[Fake]:
    """``cupy`` is the fake inside the block; what is compiled is kept in ``cache``."""
    gpu = Fake(**what)
    here.forget()
    with (
        mock.patch.dict(sys.modules, {"cupy": gpu.module()}),
        mock.patch.dict("os.environ", {"XDG_CACHE_HOME": str(cache)}),
        mock.patch.object(compilers, "compiler", return_value=gpu.compiler),
        mock.patch.dict(device._loaded, clear=True),
        mock.patch.dict(device._allowed, clear=True),
        runs_on(launch._on_the_gpu),
    ):
        try:
            yield gpu
        finally:
            here.forget()
