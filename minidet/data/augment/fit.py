"""A picture of any size on one of a given size: stretched, letterboxed, or by its shorter side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..letterbox import ROUNDINGS, place
from ..resize import METHODS
from ..sample import Draw, Sample
from .moving import Part, canvas, move, paint
from .options import Fill, check_at_least, check_choice, check_count, check_fill, check_size


@dataclass(frozen=True)
class Resize:
    """Each axis resized by itself to ``size`` (h, w), whatever the shape: every object stays, and where it was."""

    size: tuple[int, int]
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        check_size("size", self.size)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return stretched(sample, (int(self.size[0]), int(self.size[1])), self.resize)


@dataclass(frozen=True)
class Letterbox:
    """The picture with its shape kept, centred on ``size`` (h, w), ``fill`` around it; no object is cut or dropped.

    ``rounding`` is one of ``minidet.data.letterbox``, and the place is the one that its ``place`` gives.
    """

    size: tuple[int, int]
    fill: Fill = 128
    rounding: str = "darknet"
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        check_size("size", self.size)
        check_fill("fill", self.fill)
        check_choice("rounding", self.rounding, ROUNDINGS)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        at = place((H, W), self.size, rounding=self.rounding)
        part = Part((0, 0, W, H), (at.left, at.top, at.left + at.width, at.top + at.height), at.network)
        image = canvas(part.size, self.fill)
        paint(image, sample.image, part, self.resize)
        return Sample(image, move(sample.objects, part))


@dataclass(frozen=True)
class ResizeShort:
    """The shorter side becomes one of ``short``, drawn, but the longer no more than ``longest``; the shape is kept.

    Mask R-CNN (He et al. 2017, section 3.1) has 800; Detectron draws one of 640, 672, ..., 800 and has 1333 at most.
    Sides are rounded to whole pixels, half up, at least 1.
    """

    short: tuple[int, ...] = (800,)
    longest: int = 1333
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        if not isinstance(self.short, (tuple, list)) or not self.short:
            raise ValueError(f"short must be one or several lengths, found {self.short!r}")
        for length in self.short:
            check_count("short", length, 1)
        check_at_least("longest", self.longest, 1)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        short = self.short[int(rng.integers(len(self.short)))]
        scale = min(short / min(H, W), self.longest / max(H, W))
        h, w = (max(1, int(n * scale + 0.5)) for n in (H, W))
        return stretched(sample, (h, w), self.resize)


def stretched(sample: Sample, size: tuple[int, int], resize: str = "half_pixel") -> Sample:
    """``sample`` resized to ``size`` (h, w), or itself where it has that size."""
    H, W = sample.image.shape[:2]
    if size == (H, W):
        return sample
    part = Part((0, 0, W, H), (0, 0, size[1], size[0]), size)
    image = np.empty((*size, 3), np.uint8)
    paint(image, sample.image, part, resize)
    return Sample(image, move(sample.objects, part))
