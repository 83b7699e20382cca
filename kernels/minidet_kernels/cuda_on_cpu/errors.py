"""What can go wrong with a kernel: each is one line that says what, and where in the source."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel went wrong while it ran.

    ``kind`` is one of ``"divergent barrier"``, ``"deadlock"``, ``"endless wait"``, ``"wrong mask"``, ``"trap"``,
    ``"assertion failed"``,
    ``"misaligned address"``, ``"mma"``, ``"out of bounds"``, ``"undefined behaviour"``,
    ``"race"``, ``"schedules differ"``, ``"crash"`` and ``"timeout"``.  ``report``: a sanitizer's whole text.
    """

    def __init__(self, message: str, *, kind: str, report: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.report = report


class CompileError(ValueError):
    """A kernel's source does not compile, or uses what is not emulated; the text is the compiler's."""


class NoCompilerError(RuntimeError):
    """There is no compiler (or no header of NVIDIA's) to make the kernel with."""


#: Beginnings of the runtime's messages that are kinds themselves.
_KINDS = (
    "divergent barrier",
    "deadlock",
    "endless wait",
    "wrong mask",
    "trap",
    "assertion failed",
    "misaligned address",
    "mma",
)


def of_the_runtime(kernel: str, message: str) -> KernelError:
    """The error for a message of ``runtime.cpp``."""
    kind = next((kind for kind in _KINDS if message.startswith(kind)), "crash")
    return KernelError(f"{kernel}: {message}", kind=kind)
