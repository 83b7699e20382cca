"""Where crop_and_resize looks: the samples of each box along one axis."""

from __future__ import annotations

from typing import NamedTuple

from ..arrays import Array, namespace

METHODS = ("bilinear", "nearest")
UNITS = ("last", "size", "element")


class Samples(NamedTuple):
    """The samples of every box along one axis, (K, m) each: between elements ``low`` and ``high``, ``part`` of the way.

    A sample that is not ``inside`` has some element of the map, and no meaning.  ``share`` (m,) is how far a sample
    lies from a box's first side to its second: so a sample moves by ``1 - share`` of the one's and ``share`` of the
    other's.
    """

    low: Array
    high: Array
    part: Array
    inside: Array
    share: Array


def length(unit: str, n: int) -> int:
    """What a coordinate is multiplied by, to be counted in elements of an axis of ``n``."""
    return {"last": n - 1, "size": n, "element": 1}[unit]


def samples(first: Array, second: Array, m: int, n: int, method: str, unit: str) -> Samples:
    """Samples of boxes whose sides are ``first`` and ``second`` (K,), ``m`` each, on an axis of ``n`` elements."""
    xp = namespace(first)
    first, second = (a.astype(xp.float64)[:, None] * length(unit, n) for a in (first, second))
    i = xp.arange(m)
    p = first + i * ((second - first) / (m - 1)) if m > 1 else 0.5 * (first + second)  # (K, m)
    inside = (p >= 0) & (p <= n - 1)
    p = xp.clip(p, 0, n - 1)
    low = xp.floor(p).astype(xp.int64)
    part = p - low
    if method == "nearest":
        low, part = low + (part >= 0.5), xp.zeros_like(part)  # halves go up, as C's round does
    return Samples(low, xp.minimum(low + 1, n - 1), part, inside, i / (m - 1) if m > 1 else xp.full(1, 0.5))
