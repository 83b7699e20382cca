"""Pooling, on the operators of ``minidet_kernels.pooling``."""

from __future__ import annotations

from typing import Any

from minidet_kernels.arrays import Array
from minidet_kernels.pooling import avg_pool2d as avg_pool2d_op
from minidet_kernels.pooling import avg_pool2d_grad_x, max_pool2d_grad_x
from minidet_kernels.pooling import max_pool2d as max_pool2d_op

from ..autograd import differentiable
from .broadcasting import Result, spread

Size = int | tuple[int, int]


@differentiable
def max_pool2d(
    x: Array,
    *,
    size: Size,
    stride: Size | None = None,
    padding: Size | None = None,
    convention: str = "torch",
) -> Result:
    """The maximum of each window: x (N, C, H, W) -> (N, C, oh, ow).  The stride defaults to the size.

    ``convention`` is ``"torch"`` (sizes rounded down), ``"caffe"`` (rounded up; torch's ceil_mode) or ``"darknet"``
    (``padding`` is the total, size - 1 by default, half of it rounded down in front).  Padding never wins.  The first
    of equal maxima, in row-major order, gets the gradient; NaN wins.
    """
    y, index = max_pool2d_op(x, size=size, stride=stride, padding=padding, convention=convention)
    shape = x.shape
    return y, (lambda g: max_pool2d_grad_x(g, index, shape=shape),)


@differentiable
def avg_pool2d(
    x: Array,
    *,
    size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Result:
    """The mean of each window: x (N, C, H, W) -> (N, C, oh, ow).  The stride defaults to the size.

    Padding is zeros, on both sides; with ``count_include_pad=False`` the mean is over the elements inside the image.
    ``convention`` is ``"torch"`` (sizes rounded down) or ``"caffe"`` (rounded up; torch's ceil_mode).
    """
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "convention": convention}
    y = avg_pool2d_op(x, count_include_pad=count_include_pad, **options)
    shape = x.shape
    return y, (lambda g: avg_pool2d_grad_x(g, shape=shape, count_include_pad=count_include_pad, **options),)


@differentiable
def global_avg_pool2d(x: Array) -> Result:
    """The mean of each channel of each image: x (N, C, H, W) -> (N, C, 1, 1)."""
    if x.ndim != 4 or x.shape[2] * x.shape[3] == 0:
        raise ValueError(f"global_avg_pool2d() of shape {x.shape}; (N, C, H, W) with pixels is expected")
    shape, pixels = x.shape, x.shape[2] * x.shape[3]
    return x.mean(axis=(2, 3), keepdims=True), (lambda g: spread(g, shape) / pixels,)
