"""The axes of resizing as the CUDA kernels take them: output i lies at (a i + b) / d, in whole numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

Line = tuple[int, int, int]


def line(n: int, m: int, coordinates: str) -> Line:
    """a, b and d of ``axis.source``; a and d at least 1."""
    if n == 1:
        return 1, 0, m  # every output comes from the one input, by any line
    if coordinates == "half_pixel":
        return 2 * n, n - m, 2 * m
    if coordinates == "asymmetric" or m == 1:
        return n, 0, m  # align_corners puts a single output at 0
    return n - 1, 0, m - 1


def rounded(n: int, m: int, coordinates: str, rounding: str) -> Line:
    """The same for nearest: input floor((a i + b) / d), moved to the border, is the one that output i copies."""
    a, b, d = line(n, m, coordinates)
    if rounding == "floor":
        return a, b, d
    return 2 * a, 2 * b + d - (rounding == "prefer_floor"), 2 * d  # floor(x + 1/2), or ceil(x - 1/2)


def reach(n: int, m: int, antialias: bool) -> int:
    """Half the width of the triangle, in units of 1 / d (antialias is for half_pixel alone)."""
    return 2 * max(n, m) if antialias and n > 1 else m


@lru_cache(maxsize=256)
def most_taps(n: int, m: int, coordinates: str, antialias: bool, back: bool) -> int:
    """How many neighbouring sources the sums of one axis have at most; of the gradient if ``back``."""
    a, b, d = line(n, m, coordinates)
    wide = reach(n, m, antialias)
    if not back:
        return min(n, 2 * wide // d + 1 if antialias and n > 1 else 2)
    if n == 1:
        return m
    r = np.arange(n, dtype=np.int64)
    if antialias:
        first, last = -((wide + b - d * r) // a), (wide - b + d * r) // a + 1
    else:
        first, last = (-((b - place * d) // a) for place in (r - 1, r + 1))
        first[:2], last[-1] = 0, m
    return int((np.minimum(last, m) - np.maximum(first, 0)).max())
