"""Batch norm compiled by Numba: each thread takes whole channels, and reads each of them twice.

Forward, the first reading takes the mean and the sum of squares about it of each image's map, which is small enough to
be read once more from the cache; those of the images are joined by the formula of Chan, Golub and LeVeque (1983).  No
large squares are subtracted, so a large mean costs no accuracy.  The second reading writes
``(x - m) a + b``, where m is the mean in the dtype of ``x``, and b makes good for its rounding.

Backward, the first reading sums g and g (x - m), and the second writes ``g a + (x - m) b + c``.

All sums are in float64.  The order of a sum depends on the map's size alone, not on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ..arrays import Array
from . import deviation, through_variance, values

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


@njit(cache=True, fastmath={"reassoc", "contract"})
def _sum(row):
    total = 0.0
    for j in range(len(row)):
        total += np.float64(row[j])
    return total


@njit(cache=True, fastmath={"reassoc", "contract"})
def _squares(row, mean):
    """The sum of the squares of what is left of a row without ``mean``, and the sum of what is left."""
    total, rest = 0.0, 0.0
    for j in range(len(row)):
        d = np.float64(row[j]) - mean
        total += d * d
        rest += d
    return total, rest


@njit(cache=True, parallel=True, error_model="numpy")
def _moments(x, mean, var):
    N, C, size = x.shape
    for c in prange(C):
        first, m, squares = 0.0, 0.0, 0.0  # means are counted from the first image's, to be small
        for n in range(N):
            guess = _sum(x[n, c]) / size
            if n == 0:
                first = guess
            about, rest = _squares(x[n, c], guess)
            off = (guess - first) + rest / size - m
            about -= rest * rest / size
            squares += 0.0 if about < 0 else about  # which is a rounding; a NaN stays
            squares += off * off * (size * n / (n + 1))
            m += off / (n + 1)
        mean[c], var[c] = first + m, squares / (N * size)


@njit(cache=True, fastmath={"contract"})
def _line(row, mean, a, b, out):
    for j in range(len(row)):
        out[j] = (row[j] - mean) * a + b


@njit(cache=True, parallel=True)
def _normalise(x, mean, a, b, y):
    N, C, _ = x.shape
    for c in prange(C):
        for n in range(N):
            _line(x[n, c], mean[c], a[c], b[c], y[n, c])


@njit(cache=True, fastmath={"reassoc", "contract"})
def _two_sums(upstream, row, mean):
    total, products = 0.0, 0.0
    for j in range(len(row)):
        g = np.float64(upstream[j])
        total += g
        products += g * (np.float64(row[j]) - mean)
    return total, products


@njit(cache=True, parallel=True)
def _sums(g, x, mean, total, products):
    N, C, _ = x.shape
    for c in prange(C):
        for n in range(N):
            t, p = _two_sums(g[n, c], x[n, c], mean[c])
            total[c] += t
            products[c] += p


@njit(cache=True, fastmath={"contract"})
def _plane(upstream, row, mean, a, b, c, out):
    for j in range(len(row)):
        out[j] = upstream[j] * a + ((row[j] - mean) * b + c)


@njit(cache=True, parallel=True)
def _back(g, x, mean, a, b, d, out):
    N, C, _ = x.shape
    for c in prange(C):
        for n in range(N):
            _plane(g[n, c], x[n, c], mean[c], a[c], b[c], d[c], out[n, c])


def _maps(x: Array) -> Array:
    """(N, C, numbers side by side), C-contiguous."""
    x = x if x.flags.carray else np.array(x, order="C")
    return x.reshape(*x.shape[:2], x.size // max(1, x.shape[0] * x.shape[1]))


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
    maps, y, (mean, var) = _maps(x), np.empty(x.shape, x.dtype), np.empty((2, x.shape[1]))
    n = values(x)
    _moments(maps, mean, var)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (1 if weight is None else weight) / deviation(var, n, eps, epsilon, variance)
        m = mean.astype(x.dtype)
        b = (0 if bias is None else bias) - (mean - m) * a
    _normalise(maps, m, a.astype(x.dtype), b.astype(x.dtype), y.reshape(maps.shape))
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
    maps, upstream, dx = _maps(x), _maps(g), np.empty(x.shape, x.dtype)
    n = values(x)
    sigma = deviation(var, n, eps, epsilon, variance)
    mean = np.array(mean, np.float64, order="C")
    G, products = np.zeros((2, x.shape[1]))
    _sums(upstream, maps, mean, G, products)
    with np.errstate(divide="ignore", invalid="ignore"):
        Z, scale = products / sigma, (1 if weight is None else weight) / sigma
        along = -scale * Z * through_variance(var, n, sigma, epsilon, variance) / sigma
        m = mean.astype(x.dtype)
        rest = -scale * G / n - along * (mean - m)
    m, scale, along, rest = (np.ascontiguousarray(a, x.dtype) for a in (m, scale, along, rest))
    _back(upstream, maps, m, scale, along, rest, dx.reshape(maps.shape))
    return dx, Z, G
