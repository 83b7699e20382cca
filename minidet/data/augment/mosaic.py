"""Four pictures in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..resize import METHODS
from ..sample import Draw, Sample, Transform
from .mixup import other
from .moving import Part, canvas, move, paint, together
from .options import Fill, check_choice, check_fill, check_keep, check_range, check_size, uniform

FITS = ("corner", "cover")


@dataclass(frozen=True)
class Mosaic:
    """The picture and three others around a point of an input of ``size`` (h, w) (Bochkovskiy et al. 2020, YOLOv4,
    section 3.3).

    The point lies between the two shares ``centre`` of each side, on whole pixels.  This picture is at the top left,
    then come top right, bottom left and bottom right; each keeps its shape.

    fit="corner"   each is fitted to ``size`` times a number from ``scale``, and its inner corner lies at the point:
                   what does not fit is cut off, where it does not reach there is ``fill`` (as in yolov5)
    fit="cover"    each is as large as it must be to cover its quarter, times a number from ``scale`` of at least 1, and
                   lies anywhere that it does

    ``each`` is applied to each of the three others first.
    """

    size: tuple[int, int] | None = None
    centre: tuple[float, float] = (0.25, 0.75)
    scale: tuple[float, float] = (0.5, 1.5)
    fit: str = "corner"
    fill: Fill = 128
    keep: str = "share"
    least: float = 0.1
    resize: str = "half_pixel"
    each: Transform | None = None

    def __post_init__(self) -> None:
        check_size("size", self.size, optional=True)
        check_range("centre", self.centre, least=0, most=1)
        check_choice("fit", self.fit, FITS)
        check_range("scale", self.scale, least=1 if self.fit == "cover" else 1e-6)
        check_fill("fill", self.fill)
        check_keep(self.keep, self.least)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        h, w = self.size or sample.image.shape[:2]
        x, y = (int(uniform(rng, *self.centre) * n + 0.5) for n in (w, h))
        samples, parts = [], []
        for number, (left, top, right, bottom) in enumerate(quarters((h, w), x, y)):
            if left == right or top == bottom:
                continue  # the point lies on an edge
            tile = sample if number == 0 else other(self.each, rng, draw)
            part = self._part(tile.image.shape[:2], (right - left, bottom - top), (h, w), number, rng)
            shifted = tuple(a + b for a, b in zip(part.target, (left, top) * 2, strict=True))
            samples.append(tile)
            parts.append(Part(part.source, (shifted[0], shifted[1], shifted[2], shifted[3]), (h, w)))
        return tiled(samples, parts, self.fill, self.keep, self.least, self.resize)

    def _part(
        self, image: tuple[int, ...], quarter: tuple[int, int], size: tuple[int, int], number: int,
        rng: np.random.Generator,
    ) -> Part:  # fmt: skip
        """What is seen of a picture of ``image`` (H, W) in its quarter, of (width, height), and where in it."""
        (H, W), scale = image[:2], uniform(rng, *self.scale)
        if self.fit == "cover":
            factor = scale * max(quarter[0] / W, quarter[1] / H)
            room = quarter[0] - W * factor, quarter[1] - H * factor
            left, top = uniform(rng, 0, min(room[0], 0)), uniform(rng, 0, min(room[1], 0))
        else:
            factor = scale * min(size[0] / H, size[1] / W)
            left = 0.0 if number % 2 else quarter[0] - W * factor
            top = 0.0 if number >= 2 else quarter[1] - H * factor
        return Part.placed((H, W), left, top, W * factor, H * factor, (quarter[1], quarter[0]))


def quarters(size: tuple[int, int], x: int, y: int) -> list[tuple[int, int, int, int]]:
    """The rectangles (left, top, right, bottom) around x, y: top left, top right, bottom left, bottom right."""
    h, w = size
    return [(0, 0, x, y), (x, 0, w, y), (0, y, x, h), (x, y, w, h)]


def tiled(
    samples: Sequence[Sample], parts: Sequence[Part], fill: Fill = 128, keep: str = "share", least: float = 0.0,
    resize: str = "half_pixel",
) -> Sample:  # fmt: skip
    """One part of each sample on one picture; the parts have one size, and their targets do not overlap."""
    image = canvas(parts[0].size, fill)
    for sample, part in zip(samples, parts, strict=True):
        paint(image, sample.image, part, resize)
    moved = [move(s.objects, p, keep, least) for s, p in zip(samples, parts, strict=True)]
    return Sample(image, together(moved))
