"""Softmax and its logarithm."""

from __future__ import annotations

from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result, as_float


def shifted(x: Array, axis: int) -> Array:
    """``x`` minus its maximum along ``axis``, in a new array; NaN where that maximum is infinite."""
    xp = namespace(x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] == 0:
        raise ValueError(f"softmax along axis {axis} of an array of shape {x.shape}: there is nothing to normalise")
    top = x.max(axis=axis, keepdims=True)
    return x - xp.where(xp.isinf(top), xp.nan, top).astype(x.dtype)


@differentiable
def softmax(x: Array, *, axis: int = -1) -> Result:
    """``exp(x) / sum(exp(x))`` along ``axis``, without overflow.

    -inf has the probability 0.  Along a line of only -inf, or with a +inf, there is no such distribution: NaN.
    """
    x = as_float(x)
    p = shifted(x, axis)
    namespace(x).exp(p, out=p)
    p /= p.sum(axis=axis, keepdims=True)
    return p, (lambda g: p * (g - (g * p).sum(axis=axis, keepdims=True)),)


@differentiable
def log_softmax(x: Array, *, axis: int = -1) -> Result:
    """``x - logsumexp(x)`` along ``axis``: the logarithm of ``softmax``, finite where that underflows.

    NaN along a line of only -inf or with a +inf.
    """
    xp = namespace(x)
    x = as_float(x)
    y = shifted(x, axis)
    y -= xp.log(xp.exp(y).sum(axis=axis, keepdims=True))
    return y, (lambda g: g - xp.exp(y) * g.sum(axis=axis, keepdims=True),)
