"""Resizing by indexing: one tap per axis (nearest) or two (bilinear)."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace
from .axis import nearest, resolve, taps


def gather(
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


def two_tap(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize`` for ``mode="bilinear"`` without antialias."""
    xp, where = namespace(x), resolve(mode, coordinates)
    for dim in (2, 3):
        lower, upper, part = (xp.asarray(t) for t in taps(x.shape[dim], size[dim - 2], where))
        far = part.astype(x.dtype).reshape((-1, 1) if dim == 2 else (-1,))
        near = (1 - part).astype(x.dtype).reshape(far.shape)
        y = xp.take(x, lower, axis=dim) * near
        y += xp.take(x, upper, axis=dim) * far
        x = y
    return x
