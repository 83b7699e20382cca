"""Activations: a function of each number by itself, and its gradient.

    leaky_relu(x)  =  x where x > 0, slope x elsewhere
    silu(x)        =  x / (1 + exp(-x))                         also called swish
    mish(x)        =  x tanh(log(1 + exp(x)))

A gradient takes the gradient ``g`` of the result and the *input* ``x``, so that nothing else need be kept.  At the
corner of ``leaky_relu``, 0, it is ``slope``.  Infinite x gives the limit of the function, and NaN gives NaN.  (The
other activations have one implementation each, and so are in ``minidet.functions``.)
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .limits import few, few_grad

HERE = __name__
CUDA = f"{HERE}.cuda"

__all__ = ["leaky_relu", "leaky_relu_grad", "mish", "mish_grad", "silu", "silu_grad"]


@op(
    Impl("whole", f"{HERE}.whole:leaky_relu", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:leaky_relu", needs=("numba",), doubts=few),
    Impl("cuda", f"{CUDA}:leaky_relu", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
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
    Impl("cuda", f"{CUDA}:leaky_relu_grad", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.leaky_relu_grad,
)
def leaky_relu_grad(g: Array, x: Array, *, slope: float) -> Array:
    """Send ``g`` back through ``leaky_relu(x)``: ``g`` where ``x > 0``, ``slope * g`` elsewhere."""
    return np.where(x > 0, g, g * g.dtype.type(slope))


@op(
    Impl("whole", f"{HERE}.smooth:silu", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:silu", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.smooth("silu"),
)
def silu(x: Array) -> Array:
    """``x / (1 + exp(-x))``, of any shape and floating dtype (Ramachandran et al. 2017); -inf gives -0."""
    x64 = np.maximum(x, np.finfo(x.dtype).min).astype(np.float64)
    return (x64 * _logistic(x64)).astype(x.dtype)


@op(
    Impl("whole", f"{HERE}.smooth:silu_grad", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:silu_grad", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.smooth_grad("silu_grad"),
)
def silu_grad(g: Array, x: Array) -> Array:
    """Send ``g`` back through ``silu(x)``: ``g (s + x s (1 - s))`` with ``s = 1 / (1 + exp(-x))``."""
    x64 = np.clip(x, np.finfo(x.dtype).min, np.finfo(x.dtype).max).astype(np.float64)
    return _product(g, _logistic(x64) + x64 * (_logistic(x64) * _logistic(-x64)))


@op(
    Impl("whole", f"{HERE}.smooth:mish", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:mish", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.smooth("mish"),
)
def mish(x: Array) -> Array:
    """``x tanh(log(1 + exp(x)))``, of any shape and floating dtype (Misra 2019); -inf gives -0."""
    x64 = np.maximum(x, np.finfo(x.dtype).min).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return (x64 * np.tanh(np.logaddexp(0, x64))).astype(x.dtype)


@op(
    Impl("whole", f"{HERE}.smooth:mish_grad", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:mish_grad", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.smooth_grad("mish_grad"),
)
def mish_grad(g: Array, x: Array) -> Array:
    """Send ``g`` back through ``mish(x)``: ``g (tanh(s) + x s' / cosh(s)^2)``, ``s = log(1 + exp(x))``."""
    x64 = np.clip(x, np.finfo(x.dtype).min, np.finfo(x.dtype).max).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        s = np.logaddexp(0, x64)
        return _product(g, np.tanh(s) + x64 * (_logistic(x64) / np.cosh(s) / np.cosh(s)))


def _logistic(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _product(g: Array, slope: Array) -> Array:
    """``g`` times a derivative in float64, in the dtype of ``g``."""
    with np.errstate(invalid="ignore", over="ignore"):
        return (g * slope).astype(g.dtype)
