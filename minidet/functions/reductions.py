"""Reductions over one axis, several (a tuple) or all (``None``).  Empty axes: a sum is 0, a maximum raises."""

from __future__ import annotations

import math

from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Axis, Result, keep_reduced, reduced_axes, spread


@differentiable
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """The sum over ``axis``; 0 over no elements."""
    axes, shape = reduced_axes(axis, x.ndim), x.shape
    return x.sum(axis=axes, keepdims=keepdims), (lambda g: spread(keep_reduced(g, axes, shape, keepdims), shape),)


@differentiable
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """The mean over ``axis``.  Raises ``ValueError`` over no elements."""
    axes, shape = reduced_axes(axis, x.ndim), x.shape
    count = _count(x, axes, "mean")

    def grad(g: Array) -> Array:
        return spread(keep_reduced(g, axes, shape, keepdims), shape) / count

    return x.mean(axis=axes, keepdims=keepdims), (grad,)


@differentiable
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """The maximum over ``axis``; equal maxima share the gradient equally.  NaN wins and gets no gradient.

    Raises ``ValueError`` over no elements.
    """
    axes = reduced_axes(axis, x.ndim)
    _count(x, axes, "max")
    return _extreme(x, x.max(axis=axes, keepdims=True), axes, keepdims)


@differentiable
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """The minimum over ``axis``; equal minima share the gradient equally.  NaN wins and gets no gradient.

    Raises ``ValueError`` over no elements.
    """
    axes = reduced_axes(axis, x.ndim)
    _count(x, axes, "min")
    return _extreme(x, x.min(axis=axes, keepdims=True), axes, keepdims)


def _extreme(x: Array, kept: Array, axes: tuple[int, ...], keepdims: bool) -> Result:
    def grad(g: Array) -> Array:
        ties = (x == kept).astype(x.dtype)
        shares = namespace(x).maximum(ties.sum(axis=axes, keepdims=True), 1)
        return ties * (keep_reduced(g, axes, x.shape, keepdims) / shares)

    return kept if keepdims else kept.reshape(_without(x.shape, axes)), (grad,)


@differentiable
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Result:
    """``log(sum(exp(x)))`` over ``axis``, without overflow: finite wherever the result is.

    Over values that are all -inf it is -inf with gradient 0; over values of which any is +inf it is +inf, and those
    share the gradient equally.  Raises ``ValueError`` over no elements.
    """
    xp = namespace(x)
    axes = reduced_axes(axis, x.ndim)
    _count(x, axes, "logsumexp")
    top = x.max(axis=axes, keepdims=True)
    infinite = xp.isinf(top)
    shift = xp.where(infinite, 0, top)
    # where the maximum is +inf only the infinities count, where it is -inf nothing does
    weights = xp.where(infinite, (x == top) & (top > 0), xp.exp(xp.where(infinite, 0, x - shift))).astype(x.dtype)
    total = weights.sum(axis=axes, keepdims=True)
    kept = xp.where(infinite, top, shift + xp.log(xp.where(infinite, 1, total)))

    def grad(g: Array) -> Array:
        return weights * (keep_reduced(g, axes, x.shape, keepdims) / xp.where(total == 0, 1, total))

    return kept if keepdims else kept.reshape(_without(x.shape, axes)), (grad,)


def _count(x: Array, axes: tuple[int, ...], name: str) -> int:
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ValueError(f"{name} over the axes {axes} of an array of shape {x.shape}: there are no elements")
    return count


def _without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)
