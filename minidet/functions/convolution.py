"""Convolution, its transpose and the linear map, on the operators of ``minidet_kernels.convolution``."""

from __future__ import annotations

import math
from typing import Any

from minidet_kernels.arrays import Array
from minidet_kernels.convolution import conv2d as conv2d_op
from minidet_kernels.convolution import conv2d_grad_w, conv2d_grad_x

from ..autograd import differentiable
from .broadcasting import Result

Size = int | tuple[int, int]


@differentiable
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Result:
    """Cross-correlate images with filters: x (N, C, H, W), w (O, C/groups, kh, kw), bias (O,) -> (N, O, oh, ow).

    ``stride``, ``padding`` (zeros, on both sides) and ``dilation`` are one number or (vertical, horizontal);
    oh = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1.
    """
    geometry: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    shape = x.shape
    vjps = (
        lambda g: conv2d_grad_x(g, w, shape=shape, **geometry),
        lambda g: conv2d_grad_w(x, g, shape=w.shape, **geometry),
        lambda g: g.sum(axis=(0, 2, 3)),
    )
    if bias is None:
        return conv2d_op(x, w, **geometry), vjps
    return conv2d_op(x, w, bias, **geometry), vjps


@differentiable
def conv_transpose2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Result:
    """The adjoint of ``conv2d`` in its input: x (N, C, h, w), w (C, O/groups, kh, kw), bias (O,) -> (N, O, H, W).

    H = (h - 1) stride - 2 padding + dilation (kh - 1) + 1 + output_padding.  ``output_padding`` chooses among the
    input sizes that ``conv2d`` maps to h; it adds rows at the bottom and columns at the right, and is smaller than
    the stride.  Raises ``ValueError`` with the shapes for sizes that do not fit.
    """
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[0]:
        raise ValueError(
            f"conv_transpose2d: x of shape {x.shape} and w of shape {w.shape}; (N, C, h, w) and (C, O/groups, kh, kw) "
            "with the same C are expected"
        )
    if bias is not None and bias.shape != (w.shape[1] * groups,):
        raise ValueError(f"conv_transpose2d: bias of shape {bias.shape}; ({w.shape[1] * groups},) is expected")
    size = []
    for i, (s, p, extra, d) in enumerate(zip(*map(_pair, (stride, padding, output_padding, dilation)), strict=True)):
        if not 0 <= extra < s:
            raise ValueError(f"conv_transpose2d: output_padding {extra} with stride {s}; 0 to {s - 1} is expected")
        size.append((x.shape[2 + i] - 1) * s - 2 * p + d * (w.shape[2 + i] - 1) + 1 + extra)
    if min(size) < 1:
        raise ValueError(f"conv_transpose2d: x of shape {x.shape} with padding {padding} leaves no output ({size})")
    geometry: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = conv2d_grad_x(x, w, shape=(x.shape[0], w.shape[1] * groups, *size), **geometry)
    if bias is not None:
        y += bias[:, None, None]
    return y, (
        lambda g: conv2d_op(g, w, **geometry),
        lambda g: conv2d_grad_w(g, x, shape=w.shape, **geometry),
        lambda g: g.sum(axis=(0, 2, 3)),
    )


def _pair(size: Size) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


@differentiable
def linear(x: Array, w: Array, bias: Array | None = None) -> Result:
    """``x @ w.T + bias`` over the last axis: x (..., K), w (O, K), bias (O,) -> (..., O)."""
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: x of shape {x.shape} and w of shape {w.shape}; (..., K) and (O, K) are expected")
    y = x @ w.T
    if bias is not None:
        y += bias

    def rows(a: Array) -> Array:
        return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])

    return y, (
        lambda g: g @ w,
        lambda g: rows(g).T @ rows(x),
        lambda g: rows(g).sum(axis=0),
    )
