"""Launchers of the updates' CUDA kernels: ``updates.cu``, one pass over memory and one launch for each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..cuda import Source, cover, dense, i4

THREADS, BLOCKS = 256, 4096  # so many blocks fill any GPU of today; each goes on where there is more
C_TYPES = {"f": "float", "d": "double"}
UPDATES = Source(
    __file__,
    "updates.cu",
    instances=[
        f"{kernel}<{number}, {packed}{kind}>"
        for kernel, kinds in (("sgd", (", PLAIN", ", FIRST", ", MOVING")), ("adam", ("",)))
        for kind in kinds
        for number in C_TYPES.values()
        for packed in ("false", "true")
    ],
    THREADS=THREADS,
)


def _takes(in_place: bool, *changed: Array | None) -> str | None:
    for a in changed:
        if a is not None and a.dtype.char not in C_TYPES:
            return f"takes float32 or float64, not {a.dtype}"
        if in_place and a is not None and not a.flags.c_contiguous:
            return f"takes contiguous arrays to change in place, not a view of shape {a.shape}"
    return None


def takes_sgd(p: Array, g: Array, v: Array | None = None, *, in_place: bool = False, **options: Any) -> str | None:
    """Why the kernel refuses these arrays, or ``None``."""
    return _takes(in_place, p, v)


def takes_adam(p: Array, g: Array, m: Array, v: Array, *, in_place: bool = False, **options: Any) -> str | None:
    """Why the kernel refuses these arrays, or ``None``."""
    return _takes(in_place, p, m, v)


def _launch(
    kernel: str, kind: str, arrays: Sequence[Array | None], numbers: Sequence[float], flags: Sequence[Any]
) -> None:
    p = arrays[0]
    assert p is not None
    packed = all(a is None or a.data.ptr % 16 == 0 for a in arrays)  # type: ignore[attr-defined]
    name = f"{kernel}<{C_TYPES[p.dtype.char]}, {str(packed).lower()}{kind}>"
    blocks = min(BLOCKS, cover(p.nbytes if packed else 16 * p.size, 16 * THREADS))
    UPDATES(name, blocks, THREADS, (*arrays, *map(p.dtype.type, numbers), *map(i4, map(bool, flags)), np.int64(p.size)))


def _own(in_place: bool, a: Array) -> Array:
    """``a`` itself, or a contiguous copy."""
    return a if in_place else a.copy(order="C")


def sgd_update(
    p: Array,
    g: Array,
    v: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    first: bool = False,
    in_place: bool = False,
) -> tuple[Array, ...]:
    """See ``minidet_kernels.updates.sgd_update``."""
    p, v = _own(in_place, p), None if v is None else _own(in_place, v)
    kind = "PLAIN" if v is None else "FIRST" if first else "MOVING"
    _launch("sgd", f", {kind}", (p, dense(g), v), (lr, momentum, weight_decay), (weight_decay, nesterov))
    return (p,) if v is None else (p, v)


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    lr: float,
    step: int,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    in_place: bool = False,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.updates.adam_update``."""
    p, m, v = (_own(in_place, a) for a in (p, m, v))
    b1, b2 = betas
    numbers = (1 - lr * weight_decay, weight_decay, b1, 1 - b1, b2, 1 - b2, (1 - b2**step) ** 0.5, eps)
    flags = (weight_decay and decoupled, weight_decay and not decoupled)
    _launch("adam", "", (p, dense(g), m, v), (*numbers, lr / (1 - b1**step)), flags)
    return p, m, v
