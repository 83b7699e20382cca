"""How arrays are compared."""

from __future__ import annotations

from typing import Any

import numpy as np


def relative_error(a: Any, b: Any) -> float:
    """``max|a - b| / max|b|``; 0 for empty arrays; NaN anywhere, or another shape, is infinite."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or np.isnan(a).any() or np.isnan(b).any():
        return float("inf")
    if not b.size:
        return 0.0
    difference = float(np.abs(a - b).max())
    return difference / float(np.abs(b).max()) if difference else 0.0


def assert_close(a: Any, b: Any, *, rtol: float = 1e-9, zero: float = 1e-12, what: str = "") -> None:
    """The relative error of ``a`` is at most ``rtol``; where ``b`` is zero throughout, ``|a|`` is at most ``zero``."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape == b.shape and b.size and not np.abs(b).max() > zero:
        assert np.abs(a).max() <= zero, f"{what}: {np.abs(a).max()} where 0 is expected"
        return
    error = relative_error(a, b)
    assert error <= rtol, f"{what}: relative error {error:.3g} (shapes {a.shape} and {b.shape})"
