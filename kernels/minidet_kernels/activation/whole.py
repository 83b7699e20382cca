"""Activations by operations on whole arrays, for NumPy and CuPy."""

from __future__ import annotations

from ..arrays import Array, namespace


def leaky_relu(x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu``."""
    xp, slope = namespace(x), float(x.dtype.type(slope))
    if slope == 0:
        return xp.asarray(xp.maximum(x, 0))
    # Two passes and one new array, since the larger (smaller) of the two lines is always the right one.
    y = xp.asarray(x * slope)
    (xp.maximum if slope <= 1 else xp.minimum)(x, y, out=y)
    return y


def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> Array:
    """See ``minidet_kernels.activation.leaky_relu_grad``."""
    # Ten times as fast as where() on mixed signs, of which no processor can guess the branches.
    positive = (x > 0).astype(g.dtype)
    factor = namespace(g).asarray(1 - positive)
    factor *= float(g.dtype.type(slope))
    factor += positive
    factor *= g
    return factor
