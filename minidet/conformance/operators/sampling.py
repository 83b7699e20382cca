"""One axis of a resized picture: which elements an output is made of, and how much of each.

Places are rational; a weight is rational until it is written down.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np

HALF = Fraction(1, 2)
Taps = dict[int, Fraction]


def _between(place: Fraction, n: int) -> Taps:
    """The two neighbours of a place, by distance; a place outside is moved to the border."""
    place = min(max(place, Fraction(0)), Fraction(n - 1))
    low = math.floor(place)
    taps = {low: 1 - (place - low)}
    if place > low:
        taps[low + 1] = place - low
    return taps


def _cubic(distance: Fraction, a: Fraction) -> Fraction:
    """Keys' kernel."""
    d = abs(distance)
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else Fraction(0)


def _filtered(i: int, n: int, m: int, kernel: str, *, border: bool = False) -> Taps:
    """A kernel that is stretched where the axis shrinks, to a sum of 1, over the elements that there are.

    With ``border`` also over those outside, which are as that of the border.
    """
    stretch = max(Fraction(n, m), Fraction(1))
    far = math.ceil(2 * stretch) if border else 0
    taps: Taps = {}
    for at in range(-far, n + far):
        d = (at + HALF - (i + HALF) * Fraction(n, m)) / stretch
        if kernel == "box":
            weight = Fraction(-HALF < d <= HALF)
        else:
            weight = max(1 - abs(d), Fraction(0)) if kernel == "triangle" else _cubic(d, -HALF)
        if weight:
            inside = min(max(at, 0), n - 1)
            taps[inside] = taps.get(inside, Fraction(0)) + weight
    total = sum(taps.values())
    return {at: weight / total for at, weight in taps.items()}


def taps_of(i: int, n: int, m: int, sampling: str, *, shrinks: bool = True) -> Taps:
    """Of output ``i`` of ``m`` on an axis of ``n``; ``shrinks`` says whether no axis of the picture grows."""
    scale = Fraction(n, m)
    centre = (i + HALF) * scale - HALF
    match sampling:
        case "nearest_floor":
            return {math.floor(i * scale): Fraction(1)}
        case "nearest_exact":
            return {math.floor(centre + HALF): Fraction(1)}
        case "nearest_prefer_floor":
            return {min(max(math.ceil(centre - HALF), 0), n - 1): Fraction(1)}
        case "bilinear":
            return _between(centre, n)
        case "bilinear_pytorch_half_pixel":
            return _between(centre if m > 1 else Fraction(0), n)
        case "bilinear_align_corners":
            return _between(Fraction(i * (n - 1), m - 1) if m > 1 else Fraction(0), n)
        case "bilinear_darknet":
            return _between(Fraction(i * (n - 1), m - 1) if m > 1 else Fraction(n - 1), n)
        case "bilinear_asymmetric":
            return _between(i * scale, n)
        case "bilinear_antialias":
            return _filtered(i, n, m, "triangle")
        case "bilinear_antialias_border":
            return _filtered(i, n, m, "triangle", border=True)
        case "bicubic_antialias":
            return _filtered(i, n, m, "cubic")
        case "box_antialias":
            return _filtered(i, n, m, "box")
        case "area_bins":
            first, last = i * n // m, -(-(i + 1) * n // m)
            return dict.fromkeys(range(first, last), Fraction(1, last - first))
        case "area_overlap" if shrinks:
            start, stop = i * scale, (i + 1) * scale
            shares = {at: min(stop, Fraction(at + 1)) - max(start, Fraction(at)) for at in range(n)}
            return {at: share / scale for at, share in shares.items() if share > 0}
        case "area_overlap":  # an element's share of the output, but of no more than two
            low = math.floor(i * scale)
            part = (i + 1) - (low + 1) / scale
            return _between(low + max(part, Fraction(0)) % 1, n)
        case "bicubic":
            taps: Taps = {}
            for at in range(math.floor(centre) - 1, math.floor(centre) + 3):
                inside = min(max(at, 0), n - 1)
                taps[inside] = taps.get(inside, Fraction(0)) + _cubic(centre - at, Fraction(-3, 4))
            return taps
    raise ValueError(f"no sampling is called {sampling!r}")


@cache
def weights(n: int, m: int, sampling: str, *, shrinks: bool = True) -> np.ndarray:
    """(m, n): what each output takes of each element."""
    found = np.zeros((m, n))
    for i in range(m):
        for at, weight in taps_of(i, n, m, sampling, shrinks=shrinks).items():
            found[i, at] = float(weight)
    return found
