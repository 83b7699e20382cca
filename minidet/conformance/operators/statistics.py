"""Deviations, as batch normalisation divides by them."""

from __future__ import annotations

import numpy as np

#: Values of the convention ``epsilon``: how much, and whether it is added to the variance.
EPSILONS = {"inside_1e-5": (1e-5, True), "inside_1e-3": (1e-3, True), "outside_1e-6": (1e-6, False)}


def deviation(variance: np.ndarray, epsilon: str) -> np.ndarray:
    """What is divided by."""
    eps, inside = EPSILONS[epsilon]
    return np.sqrt(variance + eps) if inside else np.sqrt(variance) + eps


def least(variance: np.ndarray) -> np.ndarray:
    """At most the deviation by any of them, for bounds."""
    return np.sqrt(variance) + 1e-6


def channels(values: np.ndarray) -> np.ndarray:
    """One number for each channel, beside (N, C, H, W)."""
    return np.asarray(values, np.float64)[:, None, None]
