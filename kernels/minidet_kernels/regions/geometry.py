"""Where RoIAlign looks: the samples of each region along one axis, and the two elements that each lies between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ..arrays import Array, namespace

#: A number for both axes, or (vertical, horizontal).
Pair: TypeAlias = int | Sequence[int]

OUTSIDE = ("margin", "zero", "border")


class Axis(NamedTuple):
    """The bins of every region along one axis, in elements of the map: three arrays (K,), in float64 and int64.

    Bin ``i`` of a region is ``start + i * bin`` to ``start + (i + 1) * bin``, with ``grid`` samples at the middles of
    equal parts.
    """

    start: Array
    bin: Array
    grid: Array


def pair(value: Pair) -> tuple[int, int]:
    """``value`` for (vertical, horizontal)."""
    if isinstance(value, Sequence):
        vertical, horizontal = value
        return int(vertical), int(horizontal)
    return int(value), int(value)


def axes(
    rois: Array,
    output_size: Pair,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    min_size: float | None,
) -> tuple[Axis, Axis]:
    """The vertical and the horizontal axis of regions (K, 5)."""
    xp, offset = namespace(rois), 0.5 if aligned else 0.0
    least = (-float("inf") if aligned else 1.0) if min_size is None else float(min_size)
    found = []
    for first, out in zip((2, 1), pair(output_size), strict=True):  # rois: batch index, x1, y1, x2, y2
        start, end = (rois[:, c].astype(xp.float64) * spatial_scale - offset for c in (first, first + 2))
        step = xp.maximum(end - start, least) / out
        grid = xp.ceil(xp.maximum(step, 0)) if sampling_ratio <= 0 else xp.full_like(step, sampling_ratio)
        found.append(Axis(start, step, grid.astype(xp.int64)))
    return found[0], found[1]


def samples(axis: Axis, k: int, out: int, n: int, outside: str) -> tuple[Array, Array]:
    """Elements and weights (2, out, grid) that the samples of region ``k`` lie between, on an axis of ``n`` elements.

    A sample at p takes ``1 - (p - floor(p))`` of element ``floor(p)`` and the rest of the next.  Outside of the map:
    ``"margin"``: nothing before -1 or behind n, the border between; ``"zero"``: nothing before 0 or behind n - 1;
    ``"border"``: the border.
    """
    xp, (start, step, grid) = namespace(axis.start), (a[k] for a in axis)
    i, u = xp.arange(out)[:, None], xp.arange(int(grid))
    p = start + i * step + (u + 0.5) * step / xp.maximum(grid, 1)
    before, behind = {"margin": (-1, n), "zero": (0, n - 1), "border": (-xp.inf, xp.inf)}[outside]
    inside = (p >= before) & (p <= behind)
    p = xp.clip(p, 0, n - 1)
    low = xp.floor(p).astype(xp.int64)
    part = p - low
    return xp.stack([low, xp.minimum(low + 1, n - 1)]), xp.stack([1 - part, part]) * inside
