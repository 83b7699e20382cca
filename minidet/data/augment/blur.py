"""Gaussian blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .moving import levels
from .options import check_range, uniform


@dataclass(frozen=True)
class Blur:
    """Blurred by a Gaussian of standard deviation from ``sigma``, in pixels; objects stay as they are.

    The weights are the Gaussian at whole pixels up to 3 sigma, rounded up, made to sum to 1; beyond the edge the
    outermost pixels are repeated.  Along rows, then along columns, in float32; the nearest level at the end.
    """

    sigma: tuple[float, float] = (0.5, 1.5)

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma, least=0, most=100)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return Sample(blurred(sample.image, uniform(rng, *self.sigma)), sample.objects)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """``image`` (H, W, 3) uint8, blurred: a new array."""
    weights = _weights(sigma)
    return levels(_along(_along(image.astype(np.float32), weights, 1), weights, 0))


def _weights(sigma: float) -> np.ndarray:
    radius = int(np.ceil(3 * sigma))
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2) if radius else np.ones(1)
    return (weights / weights.sum()).astype(np.float32)


def _along(image: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    n, radius = image.shape[axis], len(weights) // 2
    pad = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
    padded = np.pad(image, pad, mode="edge")
    shifted = [padded[:, k : k + n] if axis == 1 else padded[k : k + n] for k in range(len(weights))]
    out = weights[radius] * shifted[radius]
    for k in range(radius):  # symmetric: two neighbours at once
        out += weights[k] * (shifted[k] + shifted[-1 - k])
    return out
