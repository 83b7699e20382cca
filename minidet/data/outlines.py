"""Outlines as signed distances: negative inside, positive outside, in pixels.

Each takes pixel offsets ``x, y`` from the centre (already turned; y grows downwards), the radius of the circle that
holds the shape, and a number in [0, 1) that varies its proportions.  Distances are exact near the outline, which is
where anti-aliasing looks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: The angle of the direction up, where y grows downwards.
UP = -np.pi / 2

Outline = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]


def circle(x: np.ndarray, y: np.ndarray, radius: float, vary: float) -> np.ndarray:
    """A disc of the given radius."""
    return np.hypot(x, y) - radius


def ring(x: np.ndarray, y: np.ndarray, radius: float, vary: float) -> np.ndarray:
    """An annulus of outer radius ``radius`` whose band takes 0.3 to 0.5 of it."""
    band = (0.3 + 0.2 * vary) * radius
    return np.abs(np.hypot(x, y) - (radius - band / 2)) - band / 2


def rectangle(x: np.ndarray, y: np.ndarray, radius: float, vary: float) -> np.ndarray:
    """A rectangle with its corners on the circle, from twice as wide as high to twice as high as wide."""
    ratio = 4 ** (vary - 0.5)  # height over width
    half = radius / np.hypot(1, ratio)
    dx, dy = np.abs(x) - half, np.abs(y) - ratio * half
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0)


def triangle(x: np.ndarray, y: np.ndarray, radius: float, vary: float) -> np.ndarray:
    """An isosceles triangle with its corners on the circle, its apex from 48 to 78 degrees."""
    apex = np.deg2rad(48 + 30 * vary)
    return polygon(x, y, radius, UP + np.asarray([0.0, np.pi - apex, np.pi + apex]), np.ones(3))


def star(x: np.ndarray, y: np.ndarray, radius: float, vary: float) -> np.ndarray:
    """A five-pointed star, its inner corners at 0.4 to 0.5 of the radius."""
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.4 + 0.1 * vary)
    return polygon(x, y, radius, UP + np.arange(10) * np.pi / 5, radii)


def polygon(x: np.ndarray, y: np.ndarray, radius: float, angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The simple polygon through corners at these angles and fractions of the radius: nearest edge, even-odd inside."""
    cx, cy = radius * radii * np.cos(angles), radius * radii * np.sin(angles)
    x, y = np.broadcast_arrays(x, y)
    square = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, dtype=bool)
    for ax, ay, bx, by in zip(cx, cy, np.roll(cx, -1), np.roll(cy, -1), strict=True):
        ex, ey = bx - ax, by - ay
        along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0, 1)
        square = np.minimum(square, (x - ax - along * ex) ** 2 + (y - ay - along * ey) ** 2)
        if ay != by:
            crosses = (ay > y) != (by > y)  # a ray to the right meets the edge, each end counted once
            inside ^= crosses & (x < ax + (y - ay) * ex / ey)
    return np.where(inside, -1, 1) * np.sqrt(square)


#: Class name to outline, in the order of the labels.
OUTLINES: dict[str, Outline] = {
    "circle": circle,
    "rectangle": rectangle,
    "triangle": triangle,
    "star": star,
    "ring": ring,
}
