"""One image with what is in it, the thing that augmentation maps to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .dataset import Objects


@dataclass(frozen=True, eq=False)
class Sample:
    """``image`` (H, W, 3) uint8 RGB, and its ``objects`` in pixels of it; masks, where there are any, are (H, W)."""

    image: np.ndarray
    objects: Objects


#: Another sample of the data set, drawn with the generator: what mosaic and mixup ask for.
Draw = Callable[[np.random.Generator], Sample]


class Transform(Protocol):
    """A sample to a sample: a pure function of the sample, the generator's state, and what ``draw`` returns."""

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample: ...
