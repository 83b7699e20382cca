"""Darknet's ways to change where a picture lies on the network's input, and its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..resize import METHODS
from ..sample import Draw, Sample
from .moving import Part, canvas, move, paint
from .options import (
    Fill,
    check_at_least,
    check_choice,
    check_fill,
    check_keep,
    check_range,
    check_share,
    check_size,
    uniform,
)


@dataclass(frozen=True)
class Jitter:
    """The picture in another aspect ratio and scale, anywhere on an input of ``size`` (Redmon's Darknet).

    The aspect ratio is that of W + u W to H + v H, with u and v from -jitter to jitter.  A picture of that ratio, as
    high (wide, where the ratio is at least 1) as the input, is scaled by a number from ``scale`` and placed anywhere
    that it fits, on an axis where it does not: anywhere that it covers.  ``fill`` is around it.  Darknet's YOLOv3 has
    jitter .3 and ``scale`` (.25, 2).

    ``size`` (h, w) is the result's; None for the size of the sample.  ``resize`` names the method
    (``resize.METHODS``); ``keep`` and ``least`` which objects are kept (``moving``).
    """

    size: tuple[int, int] | None = None
    jitter: float = 0.3
    scale: tuple[float, float] = (0.25, 2.0)
    fill: Fill = 128
    keep: str = "share"
    least: float = 0.1
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        check_size("size", self.size, optional=True)
        check_share("jitter", self.jitter)
        check_range("scale", self.scale, least=1e-6)
        check_fill("fill", self.fill)
        check_keep(self.keep, self.least)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        h, w = self.size or (H, W)
        across, down = (max(1 + uniform(rng, -self.jitter, self.jitter), 1e-3) for _ in range(2))
        ratio, scale = W * across / (H * down), uniform(rng, *self.scale)
        if ratio < 1:
            height, width = scale * h, scale * h * ratio
        else:
            height, width = scale * w / ratio, scale * w
        left, top = uniform(rng, 0, w - width), uniform(rng, 0, h - height)
        return _placed(self, sample, Part.placed((H, W), left, top, width, height, (h, w)))


@dataclass(frozen=True)
class CropJitter:
    """Each side of the picture moved in or out by up to ``jitter`` of its length, and what is between resized to
    ``size`` (AlexeyAB's Darknet).

    Where a side moves out, ``fill`` is there.  With jitter 0 it is plain resizing.  Options as in ``Jitter``.
    """

    size: tuple[int, int] | None = None
    jitter: float = 0.3
    fill: Fill = 128
    keep: str = "share"
    least: float = 0.1
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        check_size("size", self.size, optional=True)
        check_at_least("jitter", self.jitter, 0)
        if self.jitter >= 0.5:
            raise ValueError(f"jitter must be below 0.5, or nothing may be left between two sides, found {self.jitter}")
        check_fill("fill", self.fill)
        check_keep(self.keep, self.least)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        h, w = self.size or (H, W)
        left, right, top, bottom = (uniform(rng, -self.jitter, self.jitter) for _ in range(4))
        width, height = w / (1 - left - right), h / (1 - top - bottom)
        return _placed(self, sample, Part.placed((H, W), -left * width, -top * height, width, height, (h, w)))


def _placed(options: Jitter | CropJitter, sample: Sample, part: Part) -> Sample:
    image = canvas(part.size, options.fill)
    paint(image, sample.image, part, options.resize)
    return Sample(image, move(sample.objects, part, options.keep, options.least))
