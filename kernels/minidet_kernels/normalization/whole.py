"""Batch norm by operations on whole arrays, for NumPy and CuPy: one pass over memory for each."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, namespace
from . import deviation, through_variance, values


def _column(a: Array, x: Array) -> Array:
    """Values per channel, in the dtype of ``x``, in a shape that broadcasts over it."""
    return a.astype(x.dtype, copy=False).reshape(-1, *(1,) * (x.ndim - 2))


def _channel_mean(x: Array) -> Array:
    """The mean per channel in float64; pairwise sums along the rows keep float32 accurate."""
    rows = x.reshape(*x.shape[:2], -1).mean(axis=2) if x.ndim > 2 else x
    return rows.mean(axis=0, dtype=namespace(x).float64)


def _less_mean(x: Array, mean: Array) -> tuple[Array, Array]:
    """``x`` less the mean rounded to its dtype, and what is left of the mean."""
    rounded = mean.astype(x.dtype)
    return x - _column(rounded, x), mean - rounded


def batch_norm_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.batch_norm_train``."""
    if not x.shape[1]:
        return x.copy(), *_no_channels(x)
    n, xp = values(x), namespace(x)
    mean = _channel_mean(x)
    y, rest = _less_mean(x, mean)
    more = _channel_mean(y)  # what the mean was off by: sums of small numbers are closer
    mean, rest = mean - rest + more, more
    var = xp.maximum(_channel_mean(y * y) - rest * rest, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (1 if weight is None else weight) / deviation(var, n, eps, epsilon, variance)
        y *= _column(scale, x)
        y += _column((0 if bias is None else bias) - rest * scale, x)
    return y, mean, var


def batch_norm_grad(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.batch_norm_grad``."""
    if not x.shape[1]:
        return x.copy(), *_no_channels(x)
    n = values(x)
    sigma = deviation(var, n, eps, epsilon, variance)
    dx, rest = _less_mean(x, mean)
    G = n * _channel_mean(g)
    with np.errstate(divide="ignore", invalid="ignore"):
        Z = (n * _channel_mean(g * dx) - rest * G) / sigma
        scale = (1 if weight is None else weight) / sigma
        along = -scale * Z * through_variance(var, n, sigma, epsilon, variance) / sigma
        dx *= _column(along, x)
        dx += _column(-scale * G / n - along * rest, x)
        dx += g * _column(scale, x)
    return dx, Z, G


def _no_channels(x: Array) -> tuple[Array, Array]:
    xp = namespace(x)
    return xp.zeros(0, xp.float64), xp.zeros(0, xp.float64)
