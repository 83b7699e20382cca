"""Which calls the grid takes; apart from it, because this is read without importing Numba."""

from __future__ import annotations

from typing import Any

#: Below this threshold boxes that differ much in size can drop each other, and too many cells would be visited.
LEAST = 0.05


def of_the_grid(*_: Any, threshold: float, **__: Any) -> str | None:
    """Why these arguments are not for the grid, or ``None``."""
    return None if threshold >= LEAST else f"takes thresholds from {LEAST} up, not {threshold}"
