"""Vectors along an axis divided by their length."""

from __future__ import annotations

from minidet_kernels.arrays import Array, namespace

from ..autograd import differentiable
from .broadcasting import Result


@differentiable
def l2_normalize(x: Array, *, axis: int = 1, eps: float = 1e-12, epsilon: str = "floor") -> Result:
    """``x / length`` along ``axis``, where the length is the root of the sum of squares.

    ``epsilon``: ``"floor"``: the length is at least ``eps`` (torch's ``normalize``); ``"inside"``: the root of the sum
    plus ``eps`` (SSD's Caffe layer, with 1e-10).  Where the floor counts, the gradient is that of ``x / eps``.
    """
    if epsilon not in ("floor", "inside"):
        raise ValueError(f"l2_normalize() with epsilon={epsilon!r}: 'floor' or 'inside' is expected")
    if not eps > 0:
        raise ValueError(f"l2_normalize() with eps={eps}: a number > 0 is expected")
    xp = namespace(x)
    squares = (x * x).sum(axis=axis, keepdims=True)
    if epsilon == "floor":
        length = xp.sqrt(squares)
        floored = length < eps
        length = xp.maximum(length, x.dtype.type(eps))
    else:
        length, floored = xp.sqrt(squares + x.dtype.type(eps)), None
    y = x / length

    def grad(g: Array) -> Array:
        # d (x / |x|) = (g - y (y . g)) / |x|; with eps inside, y is shorter than 1, and the formula stays
        along = (y * g).sum(axis=axis, keepdims=True)
        if floored is not None:
            along = xp.where(floored, 0, along)
        return (g - y * along) / length

    return y, (grad,)
