"""Colours changed, objects as they are.  Every result is the nearest level, a half up, limited to 0..255.

Those that map each level by itself do it by a table of 256; hue and saturation are those of ``hsv``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .hsv import hsv
from .moving import levels
from .options import check_at_least, check_choice, check_range, check_share, uniform

PIVOTS = ("black", "gray", "mean")


def looked_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``image`` uint8 with every level replaced by its entry in ``table`` (256,) uint8: a new array."""
    # The interpreter's own translation of bytes is several times faster than indexing.
    mapped = bytearray(np.ascontiguousarray(image)).translate(table.tobytes())
    return np.frombuffer(mapped, np.uint8).reshape(image.shape)


@dataclass(frozen=True)
class Brightness:
    """A number from -most to ``most`` added to every level (SSD: 32)."""

    most: float = 32.0

    def __post_init__(self) -> None:
        check_at_least("most", self.most, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        table = levels(np.arange(256) + uniform(rng, -self.most, self.most))
        return Sample(looked_up(sample.image, table), sample.objects)


@dataclass(frozen=True)
class Contrast:
    """Every level's distance from a ``pivot`` multiplied by a number from ``factor``.

    ``pivot``: "black", 0 (SSD); "gray", 127.5; "mean", the mean luma .299 R + .587 G + .114 B of the picture.
    """

    factor: tuple[float, float] = (0.5, 1.5)
    pivot: str = "black"

    def __post_init__(self) -> None:
        check_range("factor", self.factor, least=0)
        check_choice("pivot", self.pivot, PIVOTS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        factor, pivot = uniform(rng, *self.factor), 0.0
        if self.pivot == "gray":
            pivot = 127.5
        elif self.pivot == "mean":
            pivot = float(sample.image.reshape(-1, 3).mean(axis=0) @ [0.299, 0.587, 0.114])
        table = levels((np.arange(256) - pivot) * factor + pivot)
        return Sample(looked_up(sample.image, table), sample.objects)


@dataclass(frozen=True)
class Gamma:
    """Every level L becomes 255 (L/255)^g; log g is drawn evenly between those of ``gamma``."""

    gamma: tuple[float, float] = (0.7, 1.4)

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, least=1e-3)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        gamma = np.exp(uniform(rng, *np.log(self.gamma)))
        return Sample(looked_up(sample.image, levels(255 * (np.arange(256) / 255) ** gamma)), sample.objects)


@dataclass(frozen=True)
class Saturation:
    """Saturation multiplied by a number from ``factor`` (SSD: .5 to 1.5)."""

    factor: tuple[float, float] = (0.5, 1.5)

    def __post_init__(self) -> None:
        check_range("factor", self.factor, least=0)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return Sample(hsv(sample.image, 0, uniform(rng, *self.factor), 1), sample.objects)


@dataclass(frozen=True)
class Hue:
    """Hue turned by up to ``most`` of the circle either way (SSD: 18 degrees, .05)."""

    most: float = 0.05

    def __post_init__(self) -> None:
        check_share("most", self.most)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return Sample(hsv(sample.image, uniform(rng, -self.most, self.most), 1, 1), sample.objects)


@dataclass(frozen=True)
class ChannelOrder:
    """Red, green and blue in another order: each of the six is as likely, the one they have too."""

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        order = rng.permutation(3)
        return Sample(np.ascontiguousarray(sample.image[..., order]), sample.objects)
