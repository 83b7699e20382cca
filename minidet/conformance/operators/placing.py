"""Where a picture lies on a network's input, by the rules of several programs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

TENTH = Fraction(1, 10)


@dataclass(frozen=True)
class Place:
    """``height`` rows from ``top`` and ``width`` columns from ``left``."""

    top: int
    left: int
    height: int
    width: int


def place(image: tuple[int, int], network: tuple[int, int], rule: str) -> Place:
    """Of a picture of (H, W) on (h, w); a side that comes to nothing is 1."""
    (H, W), (h, w) = image, network
    if rule == "stretch":
        return Place(0, 0, h, w)
    r: Fraction = min(Fraction(h, H), Fraction(w, W))
    if rule == "yolov5":
        height, width = max(1, round(H * r)), max(1, round(W * r))
        return Place(round(Fraction(h - height, 2) - TENTH), round(Fraction(w - width, 2) - TENTH), height, width)
    if rule == "opencv":
        ratio = min(np.float32(h) / np.float32(H), np.float32(w) / np.float32(W))
        height, width = (max(1, int(np.float32(n) * ratio)) for n in image)
    else:
        height, width = max(1, int(H * r)), max(1, int(W * r))
    return Place((h - height) // 2, (w - width) // 2, height, width)
