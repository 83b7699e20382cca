"""Where each output element of one axis comes from, in exact integer arithmetic."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

MODES = ("nearest", "bilinear")
COORDINATES = ("half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("floor", "prefer_floor", "prefer_ceil")


def resolve(mode: str, coordinates: str | None) -> str:
    """``coordinates``, or what ``mode`` takes when none are named."""
    return coordinates or ("asymmetric" if mode == "nearest" else "half_pixel")


def source(n: int, m: int, coordinates: str) -> tuple[np.ndarray, int]:
    """Source coordinate of each of ``m`` outputs on an axis of ``n`` inputs, as numerators (m,) and one denominator."""
    i = np.arange(m, dtype=np.int64)
    if coordinates == "half_pixel":
        return (2 * i + 1) * n - m, 2 * m  # (i + 1/2) n/m - 1/2
    if coordinates == "asymmetric":
        return i * n, m
    return (i * (n - 1), m - 1) if m > 1 else (i, 1)


@lru_cache(maxsize=256)
def nearest(n: int, m: int, coordinates: str, rounding: str) -> np.ndarray:
    """Index (m,) of the input that each output copies."""
    p, q = source(n, m, coordinates)
    if rounding == "floor":
        index = p // q
    elif rounding == "prefer_ceil":
        index = (2 * p + q) // (2 * q)  # floor(x + 1/2)
    else:
        index = -((q - 2 * p) // (2 * q))  # ceil(x - 1/2)
    return _frozen(np.clip(index, 0, n - 1))


@lru_cache(maxsize=256)
def taps(n: int, m: int, coordinates: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower input, upper input and weight of the upper (float64), (m,) each, of linear interpolation."""
    p, q = source(n, m, coordinates)
    p = np.clip(p, 0, (n - 1) * q)
    lower = p // q
    return _frozen(lower), _frozen(np.minimum(lower + 1, n - 1)), _frozen((p % q) / q)


@lru_cache(maxsize=64)
def weights(n: int, m: int, mode: str, coordinates: str, rounding: str, antialias: bool) -> np.ndarray:
    """The linear map of one axis: (m, n) float64, every row summing to one."""
    w, rows = np.zeros((m, n)), np.arange(m)
    if mode == "nearest":
        w[rows, nearest(n, m, coordinates, rounding)] = 1
    elif antialias:
        p, q = source(n, m, coordinates)
        distance = np.abs(p[:, None] / q - np.arange(n)) / max(n / m, 1)  # in half-widths of the triangle
        w = np.maximum(1 - distance, 0)
        w /= w.sum(axis=1, keepdims=True)
    else:
        lower, upper, part = taps(n, m, coordinates)
        w[rows, lower] = 1 - part
        w[rows, upper] += part
    return _frozen(w)


def _frozen(x: np.ndarray) -> np.ndarray:
    """``x``, read-only: it is cached and shared."""
    x.flags.writeable = False
    return x
