"""The arguments of updates: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, is_array, library


def _alike(where: str, p: Array, **others: Array | None) -> None:
    for name, a in {"p": p, **others}.items():
        if a is None:
            continue
        if not is_array(a):
            raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(a).__name__}")
        if library(a) != library(p):
            raise TypeError(f"{where}: p is on {library(p)} and {name} on {library(a)}; move them to one device")
        if a.dtype.kind != "f":
            raise TypeError(f"{where}: {name} must be floating, not {a.dtype}")
        if (a.shape, a.dtype) != (p.shape, p.dtype):
            raise ValueError(f"{where}: p is {p.dtype} {p.shape} and {name} {a.dtype} {a.shape}; all are alike")


def sgd_update(p: Array, g: Array, v: Array | None = None, **options: Any) -> None:
    """Check the arguments of ``sgd_update``."""
    _alike("sgd_update", p, g=g, v=v)
    if v is None and (options.get("momentum") or options.get("nesterov")):
        raise ValueError("sgd_update: momentum needs a velocity v")


def adam_update(p: Array, g: Array, m: Array, v: Array, *, step: int, **options: Any) -> None:
    """Check the arguments of ``adam_update``."""
    _alike("adam_update", p, g=g, m=m, v=v)
    if step < 1:
        raise ValueError(f"adam_update: step is counted from 1, not {step}")
