"""How the rooms' CUDA kernels are compiled and launched.

A room keeps its kernels in ``.cu`` files, which compile alone, and their launchers in ``cuda.py``:

    IOU = Source(__file__, "iou_matrix.cu", TILE=128, ROWS=16)

    def iou_matrix(a, b, ...):
        a, b = dense(a, 16), dense(b, 16)              # contiguous, and aligned for float4
        out = namespace(a).empty((m, n), a.dtype)      # outputs are made by the launcher
        IOU("iou_matrix", (cover(n, 128), cover(m, 16)), 128, (a, b, out, i4(m), i4(n), ...))
        return out

Nothing here imports CuPy or asks for a GPU until a kernel is launched: without one the kernels can be listed, compiled
(``compiling``) and, by ``runs_on``, launched elsewhere, which is how the tests run these very launchers and kernels on
the CPU (``minidet_kernels.cuda_on_cpu``).
"""

from __future__ import annotations

from .errors import CompileError, DeviceError, NoCompilerError
from .here import Gpu, gpu, needs_capability, needs_shared
from .launch import SOURCES, Source, careful, cover, dense, f4, i4, on_the_gpu, runs_on, too_large

__all__ = [
    "SOURCES",
    "CompileError",
    "DeviceError",
    "Gpu",
    "NoCompilerError",
    "Source",
    "careful",
    "cover",
    "dense",
    "f4",
    "gpu",
    "i4",
    "needs_capability",
    "needs_shared",
    "on_the_gpu",
    "runs_on",
    "too_large",
]
