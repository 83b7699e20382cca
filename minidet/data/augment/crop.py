"""A part of the picture, as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .moving import Part, Rectangle, move
from .options import check_keep, check_range, uniform


@dataclass(frozen=True)
class Crop:
    """A random part whose sides are between ``share`` of the picture's, each drawn by itself, anywhere in it.

    Sides are rounded to whole pixels, half up, at least 1.  ``keep`` and ``least`` say which objects are kept
    (``moving``).
    """

    share: tuple[float, float] = (0.5, 1.0)
    keep: str = "share"
    least: float = 0.1

    def __post_init__(self) -> None:
        check_range("share", self.share, least=0, most=1)
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        height, width = (max(1, int(n * uniform(rng, *self.share) + 0.5)) for n in (H, W))
        top, left = int(rng.integers(H - height + 1)), int(rng.integers(W - width + 1))
        return cropped(sample, (left, top, left + width, top + height), self.keep, self.least)


def cropped(sample: Sample, window: Rectangle, keep: str = "share", least: float = 0.0) -> Sample:
    """The part ``window`` (left, top, right, bottom) of ``sample``; it lies in the picture and is at least 1 x 1."""
    H, W = sample.image.shape[:2]
    left, top, right, bottom = window
    if not (0 <= left < right <= W and 0 <= top < bottom <= H):
        raise ValueError(f"a window in the picture, of {W} x {H}, was expected, found {window} (left top right bottom)")
    return Sample(sample.image[top:bottom, left:right].copy(), move(sample.objects, Part.cropped(window), keep, least))
