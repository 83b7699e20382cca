"""Max pooling as one comparison of whole arrays per element of the window."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace
from .windows import Pair, axes, inside


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d``."""
    xp, (N, C, H, W) = namespace(x), x.shape
    rows, columns = axes(x.shape, size, stride, padding, convention)
    y = xp.full((N, C, rows.out, columns.out), -xp.inf, x.dtype)
    index = xp.full(y.shape, -1, xp.int64)
    flat = xp.arange(H * W, dtype=xp.int64).reshape(H, W)
    for u in range(rows.size):
        to_rows, from_rows = inside(rows, u)
        for v in range(columns.size):
            to_columns, from_columns = inside(columns, v)
            best, at = y[:, :, to_rows, to_columns], index[:, :, to_rows, to_columns]  # views
            value = x[:, :, from_rows, from_columns]
            wins = (value > best) | (at < 0) | (xp.isnan(value) & ~xp.isnan(best))
            best[...] = xp.where(wins, value, best)
            at[...] = xp.where(wins, flat[from_rows, from_columns], at)
    return y, index


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.max_pool2d_grad_x``: a histogram of the indices, weighted by ``g``."""
    xp, (N, C, H, W) = namespace(g), tuple(shape)
    if not index.size:  # of no indices CuPy 13 has no histogram
        return xp.zeros((N, C, H, W), g.dtype)
    plane = xp.arange(N * C, dtype=xp.int64).reshape(N, C, 1, 1) * (H * W)
    x = xp.bincount((index + plane).ravel(), weights=g.ravel(), minlength=N * C * H * W)
    return x.astype(g.dtype).reshape(N, C, H, W)
