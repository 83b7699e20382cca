"""Activations compiled by Numba: one pass over memory, on all threads."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ..arrays import Array

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: How many numbers a thread takes at a time.
PART = 1 << 14


@njit(cache=True)
def _leak(x, slope, y):
    for i in range(len(x)):
        y[i] = x[i] if x[i] > 0 else x[i] * slope


@njit(cache=True)
def _clip(x, y):
    """A slope of 0, where infinity times it is to be 0; the comparison is the other way round for NaN."""
    for i in range(len(x)):
        y[i] = x.dtype.type(0) if x[i] <= 0 else x[i]


@njit(cache=True, parallel=True)
def _leaky_relu(x, slope, y, part):
    for k in prange((len(x) + part - 1) // part):
        a, b = k * part, min(len(x), (k + 1) * part)
        if slope == 0:
            _clip(x[a:b], y[a:b])
        else:
            _leak(x[a:b], slope, y[a:b])


@njit(cache=True)
def _leak_back(g, x, slope, out):
    for i in range(len(x)):
        out[i] = g[i] if x[i] > 0 else g[i] * slope


@njit(cache=True, parallel=True)
def _leaky_relu_grad(g, x, slope, out, part):
    for k in prange((len(x) + part - 1) // part):
        a, b = k * part, min(len(x), (k + 1) * part)
        _leak_back(g[a:b], x[a:b], slope, out[a:b])


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return (a if a.flags.carray else np.array(a, order="C")).reshape(a.size)


def leaky_relu(x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu``."""
    y = np.empty(x.shape, x.dtype)
    _leaky_relu(_ready(x), x.dtype.type(slope), y.reshape(x.size), PART)
    return y


def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu_grad``."""
    out = np.empty(g.shape, g.dtype)
    _leaky_relu_grad(_ready(g), _ready(x), g.dtype.type(slope), out.reshape(g.size), PART)
    return out
