"""The normal distribution function, which neither NumPy nor CuPy has, to the precision of the dtype.

With z = |x| / sqrt(2) and t = 2 / (2 + z), the function log(erfc(z) exp(z^2) / t) is smooth in t from 0 to 1, so a
short Chebyshev series holds it.  Its coefficients are computed here from ``math.erfc`` on first use.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from minidet_kernels.arrays import Array, namespace

_TERMS = 28


def _scaled_erfc(z: float) -> float:
    """``erfc(z) * exp(z^2)``; by its continued fraction where erfc itself becomes too small."""
    if z < 5:
        return math.erfc(z) * math.exp(z * z)
    fraction = z
    for k in range(60, 0, -1):
        fraction = z + k / 2 / fraction
    return 1 / (fraction * math.sqrt(math.pi))


@cache
def _coefficients() -> tuple[float, ...]:
    angles = (np.arange(_TERMS) + 0.5) * np.pi / _TERMS
    t = (np.cos(angles) + 1) / 2
    z = 2 / t - 2
    values = np.log([_scaled_erfc(float(a)) for a in z]) - np.log(t)
    series = [2 / _TERMS * float(np.sum(values * np.cos(k * angles))) for k in range(_TERMS)]
    series[0] /= 2
    return tuple(series)


def normal_cdf(x: Array) -> Array:
    """The probability that a standard normal variable is at most ``x``, with full relative precision below 0."""
    xp = namespace(x)
    z = xp.abs(x) / math.sqrt(2)
    t = 2 / (2 + z)
    u = 4 * t - 2  # twice the argument of the Chebyshev polynomials
    b1, b2 = xp.zeros_like(u), xp.zeros_like(u)
    for c in reversed(_coefficients()[1:]):  # Clenshaw's recurrence
        b1, b2 = u * b1 - b2 + c, b1
    series = u / 2 * b1 - b2 + _coefficients()[0]
    tail = t / 2 * xp.exp(series - x * x / 2)
    return xp.where(x < 0, tail, 1 - tail)


def normal_density(x: Array) -> Array:
    """The density of the standard normal distribution at ``x``."""
    return namespace(x).exp(-x * x / 2) / math.sqrt(2 * math.pi)
