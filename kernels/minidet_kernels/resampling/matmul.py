"""Resizing as two matrix products in the dtype of the image: takes every mode, pays for the zeros in the matrices."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from ..arrays import Array, namespace
from .axis import resolve, weights


def _sandwich(xp: ModuleType, left: Array, x: Array, right: Array) -> Array:
    """Product left @ x @ right over (N, C), the cheaper product first."""
    (p, h), (w, q) = left.shape, right.shape
    left, right = (xp.asarray(m, dtype=x.dtype) for m in (left, right))
    if p * h * w + p * w * q <= h * w * q + p * h * q:
        return xp.matmul(xp.matmul(left, x), right)
    return xp.matmul(left, xp.matmul(x, right))


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize``."""
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(x.shape[2:], size, strict=True))
    return _sandwich(namespace(x), rows, x, columns.T)


def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize_grad_x``."""
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(shape[2:], g.shape[2:], strict=True))
    return _sandwich(namespace(g), rows.T, g, columns)
