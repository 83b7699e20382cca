"""Which calls the Numba implementations take; apart from them, because this is read without importing Numba."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from .check import Shape

#: The most channels, and filters, of a group; with more, a matrix product is faster (measured).
MOST = 4


def few_channels(_: Array, w: Array, *bias: Any, groups: int = 1, **options: Any) -> str | None:
    """Why ``conv2d`` or ``conv2d_grad_x`` is better left to BLAS."""
    return _few(w.shape, groups)


def few_channels_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """Why ``conv2d_grad_w`` is better left to BLAS."""
    return _few(shape, groups)


def _few(w: Shape, groups: int) -> str | None:
    filters = w[0] // groups
    if max(w[1], filters) <= MOST:
        return None
    return f"takes groups of at most {MOST} channels and {MOST} filters, not {w[1]} and {filters}"
