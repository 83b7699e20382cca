"""Losses.  ``reduction`` is ``"mean"`` (over all elements), ``"sum"`` or ``"none"``.

A loss and its target have the same shape: nothing is broadcast, except weights.  The mean over no elements is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from minidet_kernels.arrays import Array, is_array, namespace

from ..autograd import differentiable
from .broadcasting import Result, as_float, spread
from .shaping import along
from .smooth import log1p_exp, logistic


def check_reduction(reduction: str) -> None:
    """Raise ``ValueError`` for a reduction that there is not."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _reduce(loss: Array, reduction: str) -> tuple[Array, Callable[[Array], Array]]:
    """The reduced loss, and the way back from its gradient to one that broadcasts over ``loss``."""
    check_reduction(reduction)
    if reduction == "none":
        return loss, lambda g: g
    xp, shape, n = namespace(loss), loss.shape, loss.size
    if reduction == "sum":
        return loss.sum(), lambda g: spread(g, shape)
    return (loss.mean() if n else xp.full((), xp.nan, loss.dtype)), lambda g: spread(g / max(n, 1), shape)


def _check(name: str, x: Array, target: Array) -> None:
    if not (is_array(x) and is_array(target)) or x.shape != target.shape:
        raise ValueError(f"{name}: shapes {getattr(x, 'shape', ())} and {getattr(target, 'shape', ())} differ")


@differentiable
def mse(x: Array, target: Array, *, reduction: str = "mean") -> Result:
    """The squared difference."""
    _check("mse", x, target)
    d = x - target
    value, back = _reduce(d * d, reduction)
    return value, (lambda g: back(g) * (2 * d), lambda g: back(g) * (-2 * d))


@differentiable
def smooth_l1(x: Array, target: Array, *, beta: float = 1.0, reduction: str = "mean") -> Result:
    """``d^2 / (2 beta)`` where ``|d| < beta``, ``|d| - beta / 2`` elsewhere, with d the difference (Girshick 2015).

    ``beta=0`` is the absolute difference, with the gradient 0 where there is none.
    """
    _check("smooth_l1", x, target)
    if not beta >= 0:
        raise ValueError(f"smooth_l1() with beta {beta}; a number >= 0 is expected")
    xp = namespace(x)
    d = x - target
    far = xp.abs(d)
    if beta:
        near = xp.minimum(far, beta)
        far = (near / beta) * (far - near / 2)
    value, back = _reduce(far, reduction)

    def slope() -> Array:
        return xp.clip(d, -beta, beta) / beta if beta else xp.sign(d)

    return value, (lambda g: back(g) * slope(), lambda g: back(g) * -slope())


@differentiable
def bce_with_logits(
    x: Array,
    target: Array,
    *,
    weight: Array | None = None,
    pos_weight: Array | None = None,
    reduction: str = "mean",
) -> Result:
    """The binary cross entropy of the probabilities sigmoid(x) with ``target`` from 0 to 1.

    weight (pos_weight target softplus(-x) + (1 - target) softplus(x)): two terms that never cancel, so the loss is
    exact however large the logits.  ``weight`` and ``pos_weight`` are constants that broadcast over x; the mean
    divides by the number of elements, not by the weights (as torch).  Infinite logits are taken as the largest
    finite ones.
    """
    _check("bce_with_logits", x, target)
    xp = namespace(x)
    x, t = as_float(x), target
    limits = xp.finfo(x.dtype)
    finite = xp.asarray(xp.clip(x, limits.min, limits.max))
    positive = log1p_exp(-finite)
    if pos_weight is not None:
        positive = positive * pos_weight
    negative = log1p_exp(finite)
    loss = t * positive + (1 - t) * negative
    if weight is not None:
        loss = loss * weight
    if loss.shape != x.shape:
        raise ValueError(f"bce_with_logits: weights that broadcast logits of shape {x.shape} to {loss.shape}")
    value, back = _reduce(loss.astype(x.dtype, copy=False), reduction)

    def weighted(g: Array, slope: Array) -> Array:
        return back(g) * (slope if weight is None else slope * weight)

    def grad_x(g: Array) -> Array:
        misses = logistic(-x) if pos_weight is None else logistic(-x) * pos_weight
        return weighted(g, (1 - t) * logistic(x) - t * misses)

    return value, (grad_x, lambda g: weighted(g, positive - negative))


@differentiable
def focal(
    x: Array, target: Array, *, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean"
) -> Result:
    """The sigmoid focal loss (Lin et al. 2017) of logits x with ``target`` from 0 to 1.

    alpha_t (1 - p_t)^gamma bce(x, target), where 1 - p_t = p (1 - target) + (1 - p) target with p = sigmoid(x), and
    alpha_t = alpha target + (1 - alpha) (1 - target), or 1 for ``alpha=None``.  The target is a constant.  Finite
    for every finite logit.
    """
    _check("focal", x, target)
    if not gamma >= 0:
        raise ValueError(f"focal() with gamma {gamma}; a number >= 0 is expected")
    xp = namespace(x)
    x, t = as_float(x), target
    p, q = logistic(x), logistic(-x)
    miss = p * (1 - t) + q * t
    bce = t * log1p_exp(-x) + (1 - t) * log1p_exp(x)
    factor = miss**gamma if alpha is None else (alpha * t + (1 - alpha) * (1 - t)) * miss**gamma
    value, back = _reduce((factor * bce).astype(x.dtype, copy=False), reduction)

    def grad(g: Array) -> Array:
        # p q / miss is at most 1, and stays so where miss is too small to divide by
        ratio = p * q / xp.maximum(miss, xp.finfo(x.dtype).tiny)
        return back(g) * (factor * (p * (1 - t) - q * t + gamma * ratio * (1 - 2 * t) * bce))

    return value, (grad, None)


@differentiable
def cross_entropy(
    x: Array,
    target: Array,
    *,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Result:
    """``-log softmax(x)[target]`` over the classes, axis 1 of x (N, C, ...), for whole numbers ``target`` (N, ...).

    x may also be (C,) and the target one number.  ``weight`` (C,) multiplies by class.  Elements whose target is
    ``ignore_index`` count nothing, and the mean divides by the sum of the weights of the targets of the others.
    ``label_smoothing`` s mixes in the mean over all classes: (1 - s) loss + s / C sum_c weight_c (-log softmax(x)_c).
    Raises ``ValueError`` for shapes that do not fit and for a target outside 0 to C - 1.
    """
    xp = namespace(x, target)
    check_reduction(reduction)
    x, target = as_float(x), xp.asarray(target)
    axis = 1 if x.ndim > 1 else 0
    if x.ndim < 1 or target.shape != x.shape[:axis] + x.shape[axis + 1 :]:
        raise ValueError(f"cross_entropy: logits {x.shape} and targets {target.shape}; (N, C, ...) and (N, ...) fit")
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: targets of {target.dtype}; class numbers as integers are expected")
    classes = x.shape[axis]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"cross_entropy: weight of shape {weight.shape} for {classes} classes")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing {label_smoothing}; 0 to 1 is expected")
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        raise ValueError(f"cross_entropy: target {int(target[wrong].reshape(-1)[0])} with {classes} classes")
    index = xp.expand_dims(xp.where(counted, target, 0), axis)
    # the desired distribution, times the weights: loss = -sum(aim * log softmax), and its gradient follows
    weights = xp.ones(classes, x.dtype) if weight is None else weight.astype(x.dtype, copy=False)
    mask = xp.expand_dims(counted, axis)
    picked = weights[index] * mask

    top = x.max(axis=axis, keepdims=True) if classes else xp.zeros(index.shape, x.dtype)
    with np.errstate(invalid="ignore"):
        logp = x - top
        logp -= xp.log(xp.exp(logp).sum(axis=axis, keepdims=True))
    loss = -_times(picked, xp.take_along_axis(logp, index, axis=axis))
    column = weights.reshape((1, classes) + (1,) * (x.ndim - 2) if axis else (classes,))
    if label_smoothing:
        smooth = -_times(column, logp).sum(axis=axis, keepdims=True) * mask
        loss = (1 - label_smoothing) * loss + label_smoothing / classes * smooth
    loss = loss.squeeze(axis)
    total = picked.sum() if reduction == "mean" else 1
    with np.errstate(invalid="ignore"):
        value = loss if reduction == "none" else loss.sum() / total

    def grad(g: Array) -> Array:
        aim = xp.zeros_like(x)
        aim[along(index, axis, index.shape)] = (1 - label_smoothing) * picked
        if label_smoothing:
            aim += label_smoothing / classes * column * mask
        g = xp.expand_dims(g, axis) if reduction == "none" else g / total
        return g * (xp.exp(logp) * aim.sum(axis=axis, keepdims=True) - aim)

    return value, (grad, None)


def _times(weights: Array, values: Array) -> Array:
    """The product, 0 where the weight is 0 even if the value is infinite."""
    xp = namespace(values)
    return xp.where(weights == 0, 0, weights * xp.where(weights == 0, 0, values))
