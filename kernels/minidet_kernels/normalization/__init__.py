"""Batch normalisation in training: by the statistics of the batch, and back through them.

    y  =  weight (x - mean) / sigma + bias             mean and var of each channel, over all axes but the second

The options are those of ``minidet.functions.batch_norm``:

- ``epsilon="inside"``: sigma = sqrt(var + eps); ``"outside"``: sqrt(var) + eps.
- ``variance="biased"``: the sum of squares is divided by the number n of values; ``"unbiased"``: by n - 1.

The gradient goes through the statistics too.  With z = (x - mean) / sigma, and G and Z the sums of g and of g z over a
channel,

    dx  =  weight / sigma (g - G / n - z Z r / d)      d weight = Z      d bias = G

where d is n or n - 1, and r is 1 with epsilon inside, and sigma / sqrt(var) outside (0 where var is 0: there the
gradient through the variance, which is infinite times 0, is taken as 0).

Statistics are computed and handed on in float64, and so is whatever is computed of them: a few numbers per channel.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .limits import short_rows, short_rows_grad

HERE = __name__
CUDA = f"{HERE}.cuda"

__all__ = ["batch_norm_grad", "batch_norm_train"]


@op(
    Impl("whole", f"{HERE}.whole:batch_norm_train", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:batch_norm_train", needs=("numba",), doubts=short_rows),
    Impl("cuda", f"{CUDA}:batch_norm_train", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.batch_norm_train,
)
def batch_norm_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> tuple[Array, Array, Array]:
    """Normalise each channel of ``x`` (N, C, ...) by its own statistics: ``y``, and ``mean`` and ``var`` (C,).

    ``x`` is float32 or float64, with at least two values per channel; ``y`` has its dtype.  ``weight`` and ``bias`` are
    (C,), of any floating dtype.  ``mean`` and ``var`` are float64, and ``var`` is the biased one, whatever ``variance``
    normalises by.  Raises ``ValueError`` for shapes and options that do not fit, ``TypeError`` for another dtype.
    """
    others, column = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    x64 = x.astype(np.float64)
    mean, var = x64.mean(axis=others), x64.var(axis=others)
    n = values(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x64 - mean.reshape(column)) / deviation(var, n, eps, epsilon, variance).reshape(column)
        y = z * (1 if weight is None else weight.reshape(column)) + (0 if bias is None else bias.reshape(column))
    return y.astype(x.dtype), mean, var


@op(
    Impl("whole", f"{HERE}.whole:batch_norm_grad", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:batch_norm_grad", needs=("numba",), doubts=short_rows_grad),
    Impl("cuda", f"{CUDA}:batch_norm_grad", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes_grad"),
    check=check.batch_norm_grad,
)
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
    """Send ``g`` (N, C, ...) back through ``batch_norm_train``: the gradients by ``x``, ``weight`` and ``bias``.

    ``mean`` and ``var`` are what it returned for ``x``.  The first result has the shape and dtype of ``x``; the others
    are (C,) in float64.
    """
    others, column = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    n = values(x)
    sigma, g64 = deviation(var, n, eps, epsilon, variance), g.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x.astype(np.float64) - mean.reshape(column)) / sigma.reshape(column)
        G, Z = g64.sum(axis=others), (g64 * z).sum(axis=others)
        along = Z * through_variance(var, n, sigma, epsilon, variance)
        scale = (1 if weight is None else weight) / sigma
        dx = scale.reshape(column) * (g64 - (G / n).reshape(column) - z * along.reshape(column))
    return dx.astype(x.dtype), Z, G


def values(x: Array) -> int:
    """How many values a channel has: at least two, or there are no channels."""
    return max(2, x.size // max(1, x.shape[1]))


def deviation(var: Array, n: int, eps: float, epsilon: str = "inside", variance: str = "biased") -> Array:
    """The sigma (C,) of the biased variance of ``n`` values."""
    var = var * (n / (n - 1)) if variance == "unbiased" else var
    return (var + eps) ** 0.5 if epsilon == "inside" else var**0.5 + eps


def through_variance(var: Array, n: int, sigma: Array, epsilon: str, variance: str) -> Array:
    """The r / d (C,): how much of Z goes back through the variance; see the head of this room."""
    unbiased = variance == "unbiased"
    if epsilon == "inside":
        return sigma * 0 + 1 / (n - 1 if unbiased else n)
    root = (var * (n / (n - 1)) if unbiased else var) ** 0.5
    return sigma * (root > 0) / ((root + (root == 0)) * (n - 1 if unbiased else n))
