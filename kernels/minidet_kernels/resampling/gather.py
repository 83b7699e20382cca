"""Nearest by indexing, one axis after the other."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace
from .axis import nearest, resolve


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize`` for ``mode="nearest"``."""
    xp, where = namespace(x), resolve(mode, coordinates)
    rows, columns = (xp.asarray(nearest(n, m, where, rounding)) for n, m in zip(x.shape[2:], size, strict=True))
    return x.take(rows, axis=2).take(columns, axis=3)
