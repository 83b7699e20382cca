"""Average pooling, first along the rows and then along the columns: kh + kw additions per window instead of kh * kw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, namespace
from .windows import Axis, Pair, axes, inside


def _divisors(xp: Any, v: Axis, count_include_pad: bool, dtype: Any) -> Array:
    """Elements of each window along one axis, (out,): the divisor of a window is the product of the two axes'."""
    spans = (v.span(i) for i in range(v.out))
    return xp.array([v.padded(i) if count_include_pad else b - a for i, (a, b) in enumerate(spans)], dtype)


def _at(dim: int, where: slice) -> tuple[slice, ...]:
    return (slice(None),) * dim + (where,)


def avg_pool2d(
    x: Array,
    *,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """As ``minidet_kernels.avg_pool2d``, summed in the dtype of ``x``."""
    xp, dtype = namespace(x), x.dtype
    both = axes(x.shape, size, stride, padding, convention)
    for dim, v in zip((2, 3), both, strict=True):
        y = xp.zeros((*x.shape[:dim], v.out, *x.shape[dim + 1 :]), dtype)
        for u in range(v.size):
            to, source = inside(v, u)
            y[_at(dim, to)] += x[_at(dim, source)]
        x = y
    rows, columns = (_divisors(xp, v, count_include_pad, dtype) for v in both)
    return x / (rows[:, None] * columns)


def avg_pool2d_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """As ``minidet_kernels.avg_pool2d_grad_x``, summed in the dtype of ``g``."""
    xp, dtype = namespace(g), g.dtype
    both = axes(shape, size, stride, padding, convention)
    rows, columns = (_divisors(xp, v, count_include_pad, dtype) for v in both)
    x = g / (rows[:, None] * columns)
    for dim, v in zip((3, 2), reversed(both), strict=True):
        y = xp.zeros((*x.shape[:dim], v.n, *x.shape[dim + 1 :]), dtype)
        for u in range(v.size):
            to, source = inside(v, u)
            y[_at(dim, source)] += x[_at(dim, to)]
        x = y
    return x
