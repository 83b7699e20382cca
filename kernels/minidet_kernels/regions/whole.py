"""Where RoIPool looks: the bins of each region in whole elements of the map."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace
from .geometry import Pair, pair

ROUNDING = ("half_away", "half_even")
END = ("inclusive", "exclusive")
BINS = ("exact", "rounded")

#: Coordinates are cut to this many elements, so that they fit an integer; no map comes near.
FAR = float(1 << 40)


def windows(
    rois: Array,
    output_size: Pair,
    size: Sequence[int],
    spatial_scale: float,
    rounding: str = "half_away",
    end: str = "inclusive",
    bins: str = "exact",
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """First row and one past the last (K, oh) of every bin inside a map of ``size`` (H, W); then columns (K, ow)."""
    xp, real = namespace(rois), rois.dtype.type
    found = []
    for first, out, n in zip((2, 1), pair(output_size), size, strict=True):
        corners = xp.clip(rois[:, [first, first + 2]] * real(spatial_scale), -FAR, FAR)
        whole = xp.trunc(corners)
        whole = whole + xp.sign(corners) * (abs(corners - whole) >= 0.5)  # as C's round
        start, stop = (xp.rint(corners) if rounding == "half_even" else whole).astype(xp.int64).T
        length = xp.maximum(stop - start + (end == "inclusive"), 1)[:, None]
        i = xp.arange(out)
        if bins == "exact":
            low, high = i * length // out, -(-(i + 1) * length // out)
        else:
            step, i = length.astype(rois.dtype) / real(out), i.astype(rois.dtype)
            low, high = (a.astype(xp.int64) for a in (xp.floor(i * step), xp.ceil((i + 1) * step)))
        found.append((xp.clip(start[:, None] + low, 0, n), xp.clip(start[:, None] + high, 0, n)))
    return found[0], found[1]
