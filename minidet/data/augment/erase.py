"""Rectangles painted over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .hiding import hide
from .moving import Rectangle
from .options import Fill, check_count, check_fill, check_keep, check_range, check_share, uniform


@dataclass(frozen=True)
class Cutout:
    """``count`` squares painted over (DeVries and Taylor 2017).

    The side is ``side`` of the picture's shorter one, rounded half up, at least 1; the centre is a pixel anywhere in
    the picture, so that a part of the square may lie outside.  Objects of which something is hidden: ``hiding``.
    """

    count: int = 1
    side: float = 0.25
    fill: Fill = 128
    keep: str = "share"
    least: float = 0.3

    def __post_init__(self) -> None:
        check_count("count", self.count, 0)
        check_share("side", self.side)
        check_fill("fill", self.fill)
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        side, holes = max(1, int(self.side * min(H, W) + 0.5)), []
        for _ in range(self.count):
            left, top = int(rng.integers(W)) - side // 2, int(rng.integers(H)) - side // 2
            holes.append((max(left, 0), max(top, 0), min(left + side, W), min(top + side, H)))
        return erased(sample, holes, [self.fill] * len(holes), self.keep, self.least)


@dataclass(frozen=True)
class RandomErasing:
    """A rectangle painted over (Zhong et al. 2020): random pixels, or one colour.

    Its area is a share of the picture's from ``area``, height to width from ``aspect``; as many as ``trials`` are drawn
    until one fits the picture, and where none does nothing is erased.  ``fill`` None draws every level from 0 to 255.
    """

    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    trials: int = 100
    fill: Fill | None = None
    keep: str = "share"
    least: float = 0.3

    def __post_init__(self) -> None:
        check_range("area", self.area, least=0, most=1)
        check_range("aspect", self.aspect, least=1e-6)
        check_count("trials", self.trials, 1)
        if self.fill is not None:
            check_fill("fill", self.fill)
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        for _ in range(self.trials):
            area, aspect = uniform(rng, *self.area) * H * W, uniform(rng, *self.aspect)
            height, width = int(np.sqrt(area * aspect) + 0.5), int(np.sqrt(area / aspect) + 0.5)
            if 1 <= height <= H and 1 <= width <= W:
                top, left = int(rng.integers(H - height + 1)), int(rng.integers(W - width + 1))
                hole = (left, top, left + width, top + height)
                fill: Fill | np.ndarray
                if self.fill is None:
                    fill = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                else:
                    fill = self.fill
                return erased(sample, [hole], [fill], self.keep, self.least)
        return sample


def erased(sample: Sample, holes: list[Rectangle], fills: list[Fill | np.ndarray], keep: str, least: float) -> Sample:
    """``sample`` with each rectangle (left, top, right, bottom) in it painted over: a colour or its pixels."""
    image, hidden = sample.image.copy(), np.zeros(sample.image.shape[:2], bool)
    for (left, top, right, bottom), fill in zip(holes, fills, strict=True):
        image[top:bottom, left:right] = fill
        hidden[top:bottom, left:right] = True
    return Sample(image, hide(sample.objects, hidden, keep, least))
