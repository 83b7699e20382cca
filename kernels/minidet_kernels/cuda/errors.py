"""What can go wrong with a CUDA kernel before and at its launch: each is one line that says what, and where."""

from __future__ import annotations


class CompileError(ValueError):
    """A source does not compile: file, line, and the compiler's first complaint; ``log`` holds all that it said."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class NoCompilerError(RuntimeError):
    """There is neither NVRTC nor ``nvcc``, or it cannot compile for that GPU."""


class DeviceError(RuntimeError):
    """The GPU, its driver or CuPy cannot do it."""
