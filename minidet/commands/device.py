"""Where a command computes: `--device`, and one line for everything that a GPU may refuse."""

from __future__ import annotations

from typing import Any

from minidet.errors import InputError, one_line

DEVICES = ("cpu", "cuda")


def add_device_argument(group: Any, *, default: str | None = "cpu", help: str = "") -> None:
    """`--device cpu|cuda`."""
    told = help or "where the network is computed; cuda is an NVIDIA GPU (default: %(default)s)"
    group.add_argument("--device", choices=DEVICES, default=default, help=told)


def check_device(device: str, where: str = "--device cuda") -> None:
    """Raise `InputError` where the `device` is not here: before anything is read, so that nobody waits for that."""
    if device == "cuda":
        from minidet.nn.module import on_the_gpu

        try:
            on_the_gpu()
        except RuntimeError as error:
            raise InputError(f"{where}: {one_line(error)}") from None


def gpu_trouble(error: BaseException) -> str | None:
    """What to say of an error that comes from a GPU, its driver or its compiler; `None` for any other error."""
    from minidet_kernels.cuda.errors import DeviceError, NoCompilerError

    from_cupy = type(error).__module__.partition(".")[0] in ("cupy", "cupy_backends")
    if isinstance(error, MemoryError) and from_cupy:
        return f"the GPU ran out of memory: {one_line(error)}; take a smaller --size or batch, or --device cpu"
    if from_cupy or isinstance(error, (DeviceError, NoCompilerError)):
        return f"the GPU cannot go on: {one_line(error)}"
    return None
