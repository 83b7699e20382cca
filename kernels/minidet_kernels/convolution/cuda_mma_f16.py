"""The convolutions by tensor cores with inputs rounded to fp16: see ``cuda_mma``."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from . import cuda_mma


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``mma_conv.cu``."""
    return cuda_mma.conv2d_fused("f16", x, w, bias, **options)


def conv2d_fused(x: Array, w: Array, bias: Array | None = None, residual: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_fused` by ``mma_conv.cu``."""
    return cuda_mma.conv2d_fused("f16", x, w, bias, residual, **options)


def conv2d_grad_x(g: Array, w: Array, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``mma_conv.cu``, a launch for each phase of the stride."""
    return cuda_mma.conv2d_grad_x("f16", g, w, **options)


def conv2d_grad_w(x: Array, g: Array, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w` by ``mma_grad_w.cu``: the same bits every time."""
    return cuda_mma.conv2d_grad_w("f16", x, g, **options)
