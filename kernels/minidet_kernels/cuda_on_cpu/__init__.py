"""CUDA C++ on the CPU: compiles the very same ``.cu`` file with g++ and runs it, to see whether it is right.

    module = Module.from_file("saxpy.cu", defines={"TILE": 16})
    module.kernel("saxpy")((blocks,), (threads,), (x, y, np.float32(2), np.int32(n)), schedule="all")

Every thread of a block is a fiber, and runs until it waits for others or ends; ``schedule`` says in which order.
Shared memory is full of 0xFF bytes (NaN, -1) when a block begins, and so is every variable that nobody sets (0xFE).
Barriers that some threads never reach, and warp operations that not all named lanes reach, are errors with a line.
With ``sanitize="address"`` what goes out of bounds is an error, with ``sanitize="thread"`` what no barrier orders.

It is for correctness: nothing here tells how fast a kernel is on a GPU.  ``docs/cuda_on_cpu.md`` says what is emulated.
This package stands by itself, and needs NumPy, g++ 12 or newer, and Linux on x86-64; only ``cuda`` imports it, to find
``nvcc`` and its headers.
"""

from __future__ import annotations

from .compiler import INCLUDE, available
from .errors import CompileError, KernelError, NoCompilerError
from .launch import SCHEDULES
from .module import Kernel, Module, empty
from .toolkit import nvcc

__all__ = [
    "INCLUDE",
    "SCHEDULES",
    "CompileError",
    "Kernel",
    "KernelError",
    "Module",
    "NoCompilerError",
    "available",
    "empty",
    "nvcc",
]
