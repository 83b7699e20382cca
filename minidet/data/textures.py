"""Colours, backgrounds and fills of the procedural scenes: float32 (H, W, 3) RGB in 0..1."""

from __future__ import annotations

import numpy as np


def colour(rng: np.random.Generator) -> np.ndarray:
    """A colour float64 (3,): any hue, from dull to vivid and from dark to light."""
    hue, saturation, value = rng.random(), rng.uniform(0.15, 0.9), rng.uniform(0.2, 1.0)
    wheel = np.clip(np.abs((hue * 6 + np.asarray([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation + saturation * wheel)


def ramp(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A linear ramp in 0..1 over the pixels, in a random direction."""
    turn = rng.uniform(0, 2 * np.pi)
    t = np.cos(turn) * x + np.sin(turn) * y
    return (t - t.min()) / max(float(np.ptp(t)), 1e-9)


def clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    """Smooth noise in 0..1 (size, size): three random grids, each finer and fainter, enlarged linearly."""
    total = np.zeros((size, size))
    for cells, weight in ((3, 0.5), (6, 0.3), (12, 0.2)):
        grid = rng.random((cells + 1, cells + 1))
        at = (np.arange(size) + 0.5) * cells / size
        low, part = at.astype(int), at % 1
        rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
        total += weight * (rows[:, low] * (1 - part) + rows[:, low + 1] * part)
    return total


def waves(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, period: float) -> np.ndarray:
    """Smooth stripes in 0..1 of this period in pixels, in a random direction."""
    turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    return 0.5 + 0.5 * np.sin(2 * np.pi / period * (np.cos(turn) * x + np.sin(turn) * y) + phase)


def background(rng: np.random.Generator, size: int) -> np.ndarray:
    """A ramp between two colours with clouds or faint stripes over it."""
    x, y = np.arange(size, dtype=np.float64), np.arange(size, dtype=np.float64)[:, None]
    first, second = colour(rng), colour(rng)
    second = first + rng.uniform(0.2, 0.7) * (second - first)
    t = ramp(rng, x, y)
    if rng.random() < 0.7:
        t = 0.4 * t + 0.6 * clouds(rng, size)
    else:
        t = 0.7 * t + 0.3 * waves(rng, x, y, rng.uniform(0.08, 0.4) * size)
    return (first + t[:, :, None] * (second - first)).astype(np.float32)


def paint(rng: np.random.Generator, canvas: np.ndarray, distance: np.ndarray, centre: tuple[float, float]) -> None:
    """Paint the shape of this signed distance (H, W) onto the canvas, in place.

    The fill is plain, a ramp or stripes; its colour stands off from what is under the shape, and a thin darker or
    lighter rim runs inside the outline of some.
    """
    rows, columns = np.flatnonzero((distance < 0.5).any(axis=1)), np.flatnonzero((distance < 0.5).any(axis=0))
    if rows.size == 0:
        return
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    under, distance = canvas[window], distance[window]
    coverage = np.clip(0.5 - distance, 0, 1)[:, :, None]
    ground = (under * coverage).sum(axis=(0, 1)) / max(float(coverage.sum()), 1e-9)
    main = colour(rng)
    for _ in range(20):
        if np.abs(main - ground).max() >= 0.3:
            break
        main = colour(rng)
    side = len(canvas)
    x, y = np.arange(columns[0], columns[-1] + 1) - centre[0], np.arange(rows[0], rows[-1] + 1)[:, None] - centre[1]
    style = rng.integers(3)
    other = main * rng.uniform(0.55, 0.8) if main.mean() > 0.4 else main + rng.uniform(0.15, 0.3) * (1 - main)
    if style == 0:
        t = np.zeros(distance.shape)
    elif style == 1:
        t = ramp(rng, x, y)
    else:
        t = waves(rng, x, y, rng.uniform(0.04, 0.1) * side)
    fill = main + t[:, :, None] * (other - main)
    if rng.random() < 0.4:
        rim = np.clip(distance + 0.5 + side / 64, 0, 1)[:, :, None]  # 1/64 of the picture wide
        fill = fill + 0.7 * rim * (other * 0.6 - fill)
    canvas[window] = under + coverage * (np.clip(fill, 0, 1) - under)
