"""Hue, saturation and value changed at once, as Darknet does.

With V the largest and C the largest less the smallest of a pixel's channels, and H its hue in sixths of the circle,

    channel = value * (V - saturation * C * (1 - share(H + shift)))      limited to 0..255, to the nearest level

where the share of red is |H - 3| - 1, of green 2 - |H - 2|, of blue 2 - |H - 4|, each limited to 0..1.  That is: to
HSV, saturation and value multiplied, hue turned, and back, limited only at the end.  Without a turn C (1 - share) is V
less the channel itself, and so it is linear in the channels.  All in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .options import check_at_least, check_share, uniform

#: Pixels at once: their planes fit a core's cache.
BLOCK = 8192


@dataclass(frozen=True)
class HSV:
    """Hue turned by up to ``hue`` of the circle, saturation and value multiplied by up to ``saturation`` and ``value``.

    A factor is drawn from 1 to its option, and with probability 1/2 its inverse is taken (Darknet's rand_scale).
    Darknet's files for YOLOv3 say hue .1, saturation 1.5, exposure (here ``value``) 1.5.  Objects stay as they are.
    """

    hue: float = 0.1
    saturation: float = 1.5
    value: float = 1.5

    def __post_init__(self) -> None:
        check_share("hue", self.hue)
        check_at_least("saturation", self.saturation, 1)
        check_at_least("value", self.value, 1)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        turn = uniform(rng, -self.hue, self.hue)
        saturation, value = either_way(rng, self.saturation), either_way(rng, self.value)
        return Sample(hsv(sample.image, turn, saturation, value), sample.objects)


def either_way(rng: np.random.Generator, most: float) -> float:
    """A factor from 1 to ``most`` or, with probability 1/2, its inverse."""
    factor = uniform(rng, 1, most)
    return factor if rng.random() < 0.5 else 1 / factor


def hsv(image: np.ndarray, turn: float, saturation: float, value: float) -> np.ndarray:
    """``image`` (H, W, 3) uint8 with its hue turned by ``turn`` of the circle and the others multiplied."""
    pixels = image.reshape(-1, 3)
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), BLOCK):
        part = np.ascontiguousarray(pixels[start : start + BLOCK].T, np.float32)  # (3, n)
        out[start : start + BLOCK] = _block(part, float(turn), saturation, value).T
    return out.reshape(image.shape)


def _block(rgb: np.ndarray, turn: float, saturation: float, value: float) -> np.ndarray:
    """(3, n) float32 levels to (3, n) uint8."""
    one, largest = np.float32, rgb.max(axis=0)
    if turn % 1 == 0:
        rgb -= largest
        rgb *= one(saturation)
        rgb += largest
    else:
        chroma = largest - rgb.min(axis=0)
        red, green, blue = rgb
        hue = np.where(
            largest == red,
            green - blue,
            np.where(largest == green, blue - red + one(2) * chroma, red - green + one(4) * chroma),
        )
        hue /= np.maximum(chroma, one(1))  # from -1 to 5; of gray 0
        hue += one(turn % 1 * 6)  # below 11
        hue += one(6) * (hue < 0)
        hue -= one(6) * (hue >= 6)
        chroma *= one(saturation)
        shares = (np.abs(hue - one(3)) - one(1), one(2) - np.abs(hue - one(2)), one(2) - np.abs(hue - one(4)))
        for channel, share in zip(rgb, shares, strict=True):
            np.clip(share, 0, 1, out=share)
            share -= one(1)
            share *= chroma
            np.add(largest, share, out=channel)
    rgb *= one(value)
    np.clip(rgb, 0, 255, out=rgb)
    rgb += one(0.5)
    return rgb.astype(np.uint8)
