"""Launchers of the activations' CUDA kernels: ``pointwise.cu``, one pass over memory each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense

THREADS, BLOCKS = 256, 4096  # so many blocks fill any GPU of today; each goes on where there is more
FUNCTIONS = ("Leaky", "SiLU", "Mish")
C_TYPES = {"f": "float", "d": "double"}
POINTWISE = Source(
    __file__,
    "pointwise.cu",
    instances=[
        f"{kernel}<{name}<{number}>>"
        for kernel in ("activate", "activate_back")
        for name in FUNCTIONS
        for number in C_TYPES.values()
    ],
    THREADS=THREADS,
)


def takes(x: Array, *others: Array, **options: Any) -> str | None:
    """Why the kernels refuse these numbers, or ``None``."""
    return None if x.dtype.char in C_TYPES else f"takes float32 or float64, not {x.dtype}"


def _launch(kernel: str, function: str, arrays: tuple[Array, ...], parameter: float = 0.0) -> Array:
    """``kernel`` of ``function`` over arrays of one shape and dtype; the result is new."""
    given = [dense(a, 16) for a in arrays]
    made = namespace(*arrays).empty(arrays[0].shape, arrays[0].dtype)
    number = made.dtype.type
    blocks = min(BLOCKS, cover(made.size * made.itemsize, 16 * THREADS))
    name = f"{kernel}<{function}<{C_TYPES[made.dtype.char]}>>"
    POINTWISE(name, blocks, THREADS, (*given, made, number(parameter), np.int64(made.size)))
    return made


def leaky_relu(x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu``."""
    return _launch("activate", "Leaky", (x,), slope)


def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu_grad``."""
    return _launch("activate_back", "Leaky", (g, x), slope)


def silu(x: Array) -> Array:
    """See ``minidet_kernels.activation.silu``."""
    return _launch("activate", "SiLU", (x,))


def silu_grad(g: Array, x: Array) -> Array:
    """See ``minidet_kernels.activation.silu_grad``."""
    return _launch("activate_back", "SiLU", (g, x))


def mish(x: Array) -> Array:
    """See ``minidet_kernels.activation.mish``."""
    return _launch("activate", "Mish", (x,))


def mish_grad(g: Array, x: Array) -> Array:
    """See ``minidet_kernels.activation.mish_grad``."""
    return _launch("activate_back", "Mish", (g, x))
