"""Activations made of straight lines: ReLU and its relatives, with the gradient declared at every corner."""

from __future__ import annotations

from minidet_kernels.activation import leaky_relu as leaky_relu_op
from minidet_kernels.activation import leaky_relu_grad
from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result, as_float


@differentiable
def relu(x: Array) -> Result:
    """``max(x, 0)``; the gradient at 0 is 0."""
    xp = namespace(x)
    x = xp.asarray(x)
    return xp.maximum(x, 0), (lambda g: g * (x > 0),)


@differentiable
def leaky_relu(x: Array, *, slope: float = 0.01) -> Result:
    """``x`` where ``x > 0``, ``slope * x`` elsewhere; the gradient at 0 is ``slope``.

    The default slope is torch's; Darknet's is 0.1.  With ``slope=0``, -inf gives 0.
    """
    x = as_float(x)
    return leaky_relu_op(x, slope=slope), (lambda g: leaky_relu_grad(g, x, slope=slope),)


@differentiable
def relu6(x: Array) -> Result:
    """``min(max(x, 0), 6)``; the gradient at 0 and at 6 is 0."""
    xp = namespace(x)
    x = xp.asarray(x)
    return xp.clip(x, 0, 6), (lambda g: g * ((x > 0) & (x < 6)),)


@differentiable
def prelu(x: Array, slope: Array) -> Result:
    """``x`` where ``x > 0``, ``slope * x`` elsewhere, with a slope per channel or one for all.

    ``slope`` has shape (C,) for the sizes of axis 1 of ``x`` (axis 0 of a vector), or (1,).  At 0 the gradient in
    ``x`` is the slope, and in the slope 0.
    """
    xp = namespace(x)
    channel = 1 if x.ndim > 1 else 0
    if slope.ndim != 1 or (slope.size != 1 and (x.ndim == 0 or slope.size != x.shape[channel])):
        raise ValueError(f"prelu() of shape {x.shape} with slopes of shape {slope.shape}; one per channel or (1,)")
    a = slope.reshape(tuple(-1 if i == channel else 1 for i in range(x.ndim)))
    others = tuple(i for i in range(x.ndim) if i != channel or slope.size == 1)

    def grad_slope(g: Array) -> Array:
        return (g * xp.minimum(x, 0)).sum(axis=others).reshape(slope.shape)

    return xp.where(x > 0, x, a * x), (lambda g: xp.where(x > 0, g, a * g), grad_slope)


@differentiable
def hardsigmoid(x: Array) -> Result:
    """``min(max(x + 3, 0), 6) / 6``; the gradient at -3 and at 3 is 0."""
    xp = namespace(x)
    x = as_float(x)
    y = xp.asarray(x + 3)
    xp.clip(y, 0, 6, out=y)
    y /= 6
    return y, (lambda g: g * ((x > -3) & (x < 3)) / 6,)


@differentiable
def hardswish(x: Array) -> Result:
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al. 2019, MobileNetV3).

    The gradient at -3 is 0 and at 3 it is 1; -inf gives -0.
    """
    xp = namespace(x)
    x = as_float(x)
    y = xp.asarray(x + 3)
    xp.clip(y, 0, 6, out=y)
    y /= 6
    y *= xp.maximum(x, xp.finfo(x.dtype).min)  # so that -inf times 0 is 0
    return y, (lambda g: xp.where(x >= 3, g, g * xp.where(x > -3, (2 * xp.clip(x, -3, 3) + 3) / 6, 0)),)
