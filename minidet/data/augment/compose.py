"""Transforms made of transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample, Transform
from .options import check_share


@dataclass(frozen=True)
class Compose:
    """One after the other."""

    transforms: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng, draw)
        return sample


@dataclass(frozen=True)
class Sometimes:
    """``transform`` with probability ``p``, else the sample as it is."""

    p: float
    transform: Transform

    def __post_init__(self) -> None:
        check_share("p", self.p)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return self.transform(sample, rng, draw) if rng.random() < self.p else sample


@dataclass(frozen=True)
class OneOf:
    """One of ``transforms``, drawn by ``weights`` (default: all alike)."""

    transforms: tuple[Transform, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        object.__setattr__(self, "weights", tuple(self.weights))
        if not self.transforms:
            raise ValueError("OneOf needs at least one transform, found none")
        if self.weights and len(self.weights) != len(self.transforms):
            raise ValueError(f"{len(self.transforms)} weights were expected, found {len(self.weights)}")
        if self.weights and (min(self.weights) < 0 or not 0 < sum(self.weights) < np.inf):
            raise ValueError(f"weights must be at least 0 and not all of them 0, found {self.weights}")

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        weights = np.array(self.weights or (1.0,) * len(self.transforms))
        # From the right: a transform of weight 0 is never chosen, not even by a draw of exactly 0.
        chosen = int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))
        return self.transforms[min(chosen, len(weights) - 1)](sample, rng, draw)
