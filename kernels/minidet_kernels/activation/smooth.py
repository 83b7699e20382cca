"""SiLU and Mish by operations on whole arrays, for NumPy and CuPy, exact and finite at the extremes.

All is written with ``e = exp(-|x|)``, which is at most 1: nothing overflows for any x, and no tail is lost to the
rounding of a sum with 1.  Infinite x gives the limit of the function.
"""

from __future__ import annotations

from ..arrays import Array, namespace


def finite(x: Array) -> Array:
    """``x`` with infinities made the largest finite numbers, so that their products with 0 are 0."""
    xp = namespace(x)
    limits = xp.finfo(x.dtype)
    return xp.asarray(xp.clip(x, limits.min, limits.max))


def decay(x: Array) -> Array:
    """``exp(-|x|)``, in a new array."""
    xp = namespace(x)
    e = xp.asarray(xp.abs(x))
    xp.negative(e, out=e)
    return xp.exp(e, out=e)


def grown(x: Array) -> Array:
    """``exp(min(x, 0))``, in a new array.  (An exponential more is cheaper than choosing with ``where``.)"""
    xp = namespace(x)
    y = xp.asarray(xp.minimum(x, 0))
    return xp.exp(y, out=y)


def logistic(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, in a new array, with full relative precision also where it is tiny."""
    y = grown(x)
    e = decay(x)
    e += 1
    y /= e
    return y


def logistic_slope(x: Array) -> Array:
    """The derivative of the logistic function, ``e / (1 + e)**2``."""
    e = decay(x)
    return e / (1 + e) ** 2


def silu(x: Array) -> Array:
    """See ``minidet_kernels.activation.silu``."""
    xp = namespace(x)
    y = logistic(x)
    y *= xp.maximum(x, xp.finfo(x.dtype).min)
    return y


def silu_grad(g: Array, x: Array) -> Array:
    """See ``minidet_kernels.activation.silu_grad``."""
    return g * (logistic(x) + finite(x) * logistic_slope(x))


def _mish_ratio(x: Array) -> tuple[Array, Array]:
    """The numerator and denominator of ``tanh(log(1 + exp(x)))``, with no exponential above 1.

    With n = exp(x), tanh(log(1 + n)) = ((1 + n)^2 - 1) / ((1 + n)^2 + 1) = n (n + 2) / (n (n + 2) + 2).  With
    n = p / q, where p = exp(min(x, 0)) and q = exp(min(-x, 0)), that is p (p + 2 q) / (p (p + 2 q) + 2 q^2).
    """
    p, q = grown(x), grown(-x)
    q2 = q * q
    q2 *= 2
    q *= 2
    q += p
    p *= q
    q2 += p
    return p, q2


def mish(x: Array) -> Array:
    """See ``minidet_kernels.activation.mish``."""
    xp = namespace(x)
    y, bottom = _mish_ratio(x)
    y /= bottom
    y *= xp.maximum(x, xp.finfo(x.dtype).min)
    return y


def mish_grad(g: Array, x: Array) -> Array:
    """See ``minidet_kernels.activation.mish_grad``."""
    top, bottom = _mish_ratio(x)
    t = top / bottom
    sech2 = (bottom - top) / bottom * (1 + t)  # 1 - t^2, small beside t where the difference loses digits
    return g * (t + finite(x) * sech2 * logistic(x))
