"""The fused convolution as its parts, one after the other: whatever ``conv2d`` chooses, then NumPy."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from . import conv2d
from .fused import activate


def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    **options: Any,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d_fused``."""
    y = conv2d(x, w, bias, **options)
    if residual is not None and order == "residual_first":
        y = y + residual
    y = activate(y, activation, slope)
    return y + residual if residual is not None and order == "activation_first" else y
