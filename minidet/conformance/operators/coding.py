"""What the coders share: centres and sides, the limit of what is exponentiated, and bounds of their rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: ln(1000 / 16): a side grows 62.5 times at most.
LARGEST = math.log(1000 / 16)
#: Rounding steps per operation of a few: differences, quotients, an exponential or a logarithm, sums.
STEPS = 8.0


def float64(array: Any) -> np.ndarray:
    """The array in float64."""
    return np.asarray(array, np.float64)


def centred(rows: np.ndarray, pixel: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sides, (n, 2) each, of boxes xyxy, whose sides have ``pixel`` more than x2 - x1."""
    sides = rows[:, 2:] - rows[:, :2] + pixel
    return rows[:, :2] + sides / 2, sides


def reach(*arrays: np.ndarray) -> np.ndarray:
    """Of each row the greatest size of a coordinate in any of the arrays: (n, 1)."""
    return np.max([np.abs(float64(a)).max(axis=1) for a in arrays], axis=0)[:, None]


def encode_units(boxes: Any, priors: Any, scale: np.ndarray, pixel: float = 1.0) -> np.ndarray:
    """Steps that differences (n, 4) may be off: coordinates cancel, are divided by a side, and scaled by ``scale`` (4).

    A side may have up to ``pixel`` more.
    """
    far = reach(boxes, priors) + pixel
    sides, own = centred(float64(boxes))[1], centred(float64(priors))[1]
    quotient = np.where(sides > 0, far / np.where(sides > 0, sides, 1), 0) + far / own
    spread = np.abs(np.log((np.maximum(sides, 0) + pixel) / own)) + np.abs(np.log(np.where(sides > 0, sides, 1) / own))
    return STEPS * np.concatenate([far / own + far, quotient + spread + far + 1], axis=1) * scale


def decode_units(deltas: Any, priors: Any, readings: tuple[np.ndarray, ...], pixel: float = 0.0) -> np.ndarray:
    """Steps that decoded corners (n, 4) may be off.

    ``readings`` are the differences (n, 4) as the conventions scale them, of which the greater counts; of exponents
    above 5 the least alone, since with a dialect that takes such a one for more nothing is drawn.
    """
    own = centred(float64(priors), pixel)[1]
    shift = np.max([np.abs(one[:, :2]) for one in readings], axis=0)
    powers = np.array([np.maximum(one[:, 2:], 0) for one in readings])
    power = np.where(powers <= 5, powers, 0).max(axis=0)
    power = np.maximum(power, powers.min(axis=0))
    corner = np.max([np.abs(one) for one in readings], axis=0)[:, 2:] * own
    steps = reach(priors) + pixel + shift * (own + 1) + corner + np.exp(power) * (1 + power) * own
    return STEPS * np.concatenate([steps, steps], axis=1)
