"""Smooth activations, exact and finite at the extremes.

All are written with ``e = exp(-|x|)``, which is at most 1: nothing overflows for any x, and no tail is lost to the
rounding of a sum with 1.  Infinite x gives the limit of the function.
"""

from __future__ import annotations

import math

from minidet_kernels.activation import mish as mish_op
from minidet_kernels.activation import mish_grad, silu_grad
from minidet_kernels.activation import silu as silu_op
from minidet_kernels.activation.smooth import decay, logistic, logistic_slope
from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result, as_float
from .normal import normal_cdf, normal_density

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def log1p_exp(x: Array) -> Array:
    """``log(1 + exp(x))``, in a new array."""
    xp = namespace(x)
    y = decay(x)
    xp.log1p(y, out=y)
    y += xp.maximum(x, 0)
    return y


@differentiable
def sigmoid(x: Array) -> Result:
    """``1 / (1 + exp(-x))``."""
    x = as_float(x)
    return logistic(x), (lambda g: g * logistic_slope(x),)


@differentiable
def tanh(x: Array) -> Result:
    """The hyperbolic tangent."""
    x = as_float(x)
    return namespace(x).tanh(x), (lambda g: g * (4 * logistic_slope(2 * namespace(x).clip(x, -1000, 1000))),)


@differentiable
def softplus(x: Array) -> Result:
    """``log(1 + exp(x))``, without a threshold."""
    x = as_float(x)
    return log1p_exp(x), (lambda g: g * logistic(x),)


@differentiable
def silu(x: Array) -> Result:
    """``x * sigmoid(x)``, also called swish (Ramachandran et al. 2017); -inf gives -0."""
    x = as_float(x)
    return silu_op(x), (lambda g: silu_grad(g, x),)


@differentiable
def mish(x: Array) -> Result:
    """``x * tanh(log(1 + exp(x)))`` (Misra 2019), the tail ``x * exp(x)`` kept; -inf gives -0."""
    x = as_float(x)
    return mish_op(x), (lambda g: mish_grad(g, x),)


def _elu(x: Array, alpha: float) -> Array:
    xp = namespace(x)
    y = xp.asarray(xp.minimum(x, 0))
    xp.expm1(y, out=y)
    y *= alpha
    y += xp.maximum(x, 0)
    return y


def _elu_slope(x: Array, alpha: float) -> Array:
    xp = namespace(x)
    return xp.where(x > 0, 1, alpha * xp.exp(xp.minimum(x, 0)))


@differentiable
def elu(x: Array, *, alpha: float = 1.0) -> Result:
    """``x`` where ``x > 0``, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al. 2016); the gradient at 0 is alpha."""
    x = as_float(x)
    return _elu(x, alpha), (lambda g: g * _elu_slope(x, alpha),)


@differentiable
def selu(x: Array) -> Result:
    """The scaled ELU of Klambauer et al. 2017; the gradient at 0 is ``SELU_SCALE * SELU_ALPHA``."""
    x = as_float(x)
    y = _elu(x, SELU_ALPHA)
    y *= SELU_SCALE
    return y, (lambda g: g * (SELU_SCALE * _elu_slope(x, SELU_ALPHA)),)


@differentiable
def gelu(x: Array, *, approximate: str = "none") -> Result:
    """``x`` times the normal distribution function at ``x`` (Hendrycks and Gimpel 2016); -inf gives -0.

    ``approximate="tanh"`` is their approximation ``x * sigmoid(2 u)``, ``u = sqrt(2 / pi) (x + 0.044715 x^3)``.
    """
    x = as_float(x)
    xp = namespace(x)
    inner = xp.clip(x, -100, 100)  # both factors are 0 or 1 beyond, and the cube stays finite
    above = xp.maximum(x, xp.finfo(x.dtype).min)  # so that -inf times 0 is 0
    if approximate == "none":
        return above * normal_cdf(inner), (lambda g: g * (normal_cdf(inner) + inner * normal_density(inner)),)
    if approximate != "tanh":
        raise ValueError(f"gelu() has no approximation {approximate!r}; there are 'none' and 'tanh'")
    c = 2 * math.sqrt(2 / math.pi)
    u = c * (inner + 0.044715 * inner**3)

    def grad(g: Array) -> Array:
        return g * (logistic(u) + inner * logistic_slope(u) * (c * (1 + 3 * 0.044715 * inner**2)))

    return above * logistic(u), (grad,)
