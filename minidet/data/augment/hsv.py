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
BLOCK = 16384


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
    change = _unturned if turn % 1 == 0 else _turned
    for start in range(0, len(pixels), BLOCK):
        part = pixels[start : start + BLOCK].T
        # A half is added before the limits, so that what is cut off afterwards rounds to the nearest level.
        for row, channel in zip(out[start : start + BLOCK].T, change(part, turn, saturation, value), strict=True):
            row[...] = np.clip(channel, 0.5, 255.5, out=channel)
    return out.reshape(image.shape)


def _unturned(rgb: np.ndarray, turn: float, saturation: float, value: float) -> np.ndarray:
    """(3, n) uint8 levels as (3, n) float32, a half more than they become."""
    channels = np.ascontiguousarray(rgb, np.float32)
    # value (V - saturation (V - channel)) + 1/2
    rest = channels.max(axis=0)
    rest *= np.float32(value * (1 - saturation))
    rest += np.float32(0.5)
    channels *= np.float32(value * saturation)
    channels += rest
    return channels


def _turned(rgb: np.ndarray, turn: float, saturation: float, value: float) -> np.ndarray:
    """(3, n) uint8 levels as (3, n) float32, a half more than they become."""
    red, green, blue = np.ascontiguousarray(rgb, np.int16)  # exact, and half as wide as float32
    largest = np.maximum(np.maximum(red, green), blue)
    chroma = largest - np.minimum(np.minimum(red, green), blue)
    sixths = np.where(largest == green, blue - red + 2 * chroma, red - green + 4 * chroma)
    sixths = np.where(largest == red, green - blue, sixths)
    hue = np.divide(sixths, np.maximum(chroma, 1), dtype=np.float32)  # from -1 to 5; of gray 0
    hue += np.float32(turn % 1 * 6)  # below 11
    hue += np.float32(6) * (hue < 0)
    hue -= np.float32(6) * (hue >= 6)
    top = largest.astype(np.float32)
    top *= np.float32(value)
    top += np.float32(0.5)
    depth = chroma.astype(np.float32)
    depth *= np.float32(value * saturation)
    out = np.empty(rgb.shape, np.float32)
    for channel, centre in zip(out, (3, 2, 4), strict=True):
        np.subtract(hue, np.float32(centre), out=channel)
        np.abs(channel, out=channel)
        if centre == 3:  # 1 - share: of red 2 - |H - 3|, of green |H - 2| - 1, of blue |H - 4| - 1
            np.subtract(np.float32(2), channel, out=channel)
        else:
            channel -= np.float32(1)
        np.clip(channel, 0, 1, out=channel)
        channel *= depth
        np.subtract(top, channel, out=channel)
    return out
