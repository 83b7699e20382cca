"""Which GPU is here, and why kernels cannot be launched on it: reasons in words, for ``explain`` and for limits.

Nothing is asked of CuPy before somebody asks here, and the answers are kept, one for each GPU.  Where launches go
elsewhere (``runs_on``), as in the tests, there is no reason to refuse anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from .launch import on_the_gpu

#: Compute capability -> what is compiled for it: of Hopper and later generations all that this very chip can do.
ARCHITECTURES = {
    **{capability: str(capability) for capability in (75, 80, 86, 87, 88, 89)},
    **{capability: f"{capability}a" for capability in (90, 100, 103, 110, 120, 121)},
}


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, its compute capability (9, 0), what is compiled for it, and the most shared bytes of a block."""

    name: str
    capability: tuple[int, int]
    architecture: str
    shared: int

    def __str__(self) -> str:
        return f"{self.name} has {self.capability[0]}.{self.capability[1]}"


def gpu() -> Gpu | str:
    """The current GPU, or why there is none that kernels can be launched on (a verb first: "needs ...")."""
    if why := _nothing():
        return why
    import cupy

    return _described(int(cupy.cuda.runtime.getDevice()))


def missing() -> str | None:
    """Why kernels cannot be compiled and launched here, or ``None``."""
    found = _asked()
    if isinstance(found, Gpu):
        from . import compilers  # they take a while to import

        why = compilers.missing()
        return f"cannot be compiled: {why}" if why else None
    return found


def needs_capability(major: int, minor: int = 0, *, exactly: bool = False, what: str = "") -> str | None:
    """Why the current GPU is too old, or not ``exactly`` of this generation, or ``None``: for a ``limits``.

    ``what`` says what it is needed for: ``needs_capability(8, what="tensor cores for tf32")``.
    """
    found = _asked()
    if not isinstance(found, Gpu):
        return found
    wanted = (major, minor)
    if found.capability == wanted if exactly else found.capability >= wanted:
        return None
    why = f" ({what})" if what else ""
    return f"needs compute capability {major}.{minor}{'' if exactly else ' or newer'}{why}, and {found}"


def needs_shared(count: int) -> str | None:
    """Why blocks of ``count`` bytes of shared memory do not fit the current GPU, or ``None``: for a ``limits``."""
    found = _asked()
    if not isinstance(found, Gpu) or count <= found.shared:
        return found if isinstance(found, str) else None
    return f"needs {count} bytes of shared memory for a block, and {found.name} has {found.shared}"


def _asked() -> Gpu | str | None:
    """The current GPU, or why there is none, or ``None`` where launches go elsewhere."""
    return gpu() if on_the_gpu() else None


def forget() -> None:
    """Look again when asked next."""
    _nothing.cache_clear()
    _described.cache_clear()


@cache
def _nothing() -> str | None:
    """Why no GPU at all can be used, or ``None``."""
    try:
        import cupy
    except Exception as error:  # an installation may be broken in any way
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            return "needs cupy, which is not installed (pip install minidet[cuda13], or minidet[cuda12])"
        return f"needs cupy, which cannot be imported: {_line(error)}"
    runtime = cupy.cuda.runtime
    try:
        driver, built = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        if driver == 0:
            return "needs NVIDIA's driver, and there is none on this machine"
        if driver // 1000 < built // 1000:
            return (
                f"needs a newer driver: this one is of CUDA {_version(driver)}, CuPy of CUDA {_version(built)} "
                f"(update the driver, or install CuPy for CUDA {driver // 1000})"
            )
        return None if runtime.getDeviceCount() else _no_gpu()
    except runtime.CUDARuntimeError as error:
        said = _line(error)
        return _no_gpu() if "cudaErrorNoDevice" in said else f"needs an NVIDIA GPU that works; CUDA says {said}"


def _no_gpu() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    return f"needs an NVIDIA GPU, and the driver finds none{hidden}"


@cache
def _described(number: int) -> Gpu | str:
    """The GPU of this number, or why kernels cannot be compiled for it."""
    import cupy

    device = cupy.cuda.Device(number)
    text = str(device.compute_capability)  # "90", "120"
    name = cupy.cuda.runtime.getDeviceProperties(number)["name"]
    found = Gpu(
        name.decode() if isinstance(name, bytes) else str(name),
        (int(text[:-1]), int(text[-1])),
        ARCHITECTURES.get(int(text), ""),
        int(device.attributes["MaxSharedMemoryPerBlockOptin"]),
    )
    if found.architecture:
        return found
    if found.capability < (7, 5):
        return f"needs compute capability 7.5 or newer, and {found}"
    known = ", ".join(f"{n // 10}.{n % 10}" for n in ARCHITECTURES)
    return f"is made for GPUs of compute capability {known}, and {found}"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
