"""Where the compiled activations do not pay: read without importing Numba."""

from __future__ import annotations

from typing import Any

from ..arrays import Array

#: The fewest numbers for which starting the threads pays (measured).
LEAST = 1 << 18


def few(x: Array, **options: Any) -> str | None:
    """Why an activation is better left to whole arrays."""
    return None if x.size >= LEAST else f"pays from {LEAST} numbers on, not for {x.size}"


def few_grad(g: Array, x: Array, **options: Any) -> str | None:
    """Why its gradient is better left to whole arrays."""
    return few(x)
