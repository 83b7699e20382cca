"""Activations: a function of each number by itself, and its gradient.

    leaky_relu(x)  =  x where x > 0, slope x elsewhere

A gradient takes the gradient ``g`` of the result and the *input* ``x``.  At the corner, 0, it is ``slope``.  (The other
activations have one implementation each, and so are in ``minidet.functions``.)
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .limits import few, few_grad

HERE = __name__

__all__ = ["leaky_relu", "leaky_relu_grad"]


@op(
    Impl("whole", f"{HERE}.whole:leaky_relu", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:leaky_relu", needs=("numba",), doubts=few),
    check=check.leaky_relu,
)
def leaky_relu(x: Array, *, slope: float) -> Array:
    """``x`` where ``x > 0``, ``slope * x`` elsewhere: of any shape, float32 or float64, and the result likewise.

    The slope is rounded to the dtype of ``x``, and the product once.  With a slope of 0, -inf gives 0; a NaN stays one.
    """
    a = x.dtype.type(slope)
    return np.where(x > 0, x, x * a if a else np.maximum(x, 0))


@op(
    Impl("whole", f"{HERE}.whole:leaky_relu_grad", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:leaky_relu_grad", needs=("numba",), doubts=few_grad),
    check=check.leaky_relu_grad,
)
def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> Array:
    """Send ``g`` back through ``leaky_relu(x)``: ``g`` where ``x > 0``, ``slope * g`` elsewhere."""
    return np.where(x > 0, g, g * g.dtype.type(slope))
