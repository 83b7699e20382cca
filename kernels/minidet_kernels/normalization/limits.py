"""Where the compiled batch norm does not pay: read without importing Numba."""

from __future__ import annotations

from typing import Any

from ..arrays import Array

#: The fewest numbers side by side, and the fewest in all, for which it pays (measured).
ROW, ALL = 4, 1 << 16


def short_rows(x: Array, *others: Any, **options: Any) -> str | None:
    """Why ``batch_norm_train`` is better left to whole arrays."""
    return _short(x)


def short_rows_grad(g: Array, x: Array, *others: Any, **options: Any) -> str | None:
    """Why ``batch_norm_grad`` is better left to whole arrays."""
    return _short(x)


def _short(x: Array) -> str | None:
    row = x.size // max(1, x.shape[0] * x.shape[1])
    if row < ROW or x.size < ALL:
        return f"pays from {ROW} numbers a map and {ALL} in all on, not for {row} and {x.size}"
    return None
