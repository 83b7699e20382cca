"""Convolution as a matrix product over unrolled windows (im2col), for NumPy and CuPy.

columns  (groups, C/groups*kh*kw, oh*ow)     y = w (groups, O/groups, C/groups*kh*kw) @ columns
"""

from __future__ import annotations

from ..arrays import Array, namespace
from .check import Shape
from .geometry import IntOrPair, covered, out_size, pair


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d``."""
    xp = namespace(x)
    s, p, d = pair(stride), pair(padding), pair(dilation)
    (N, C, H, W), (O, Cg, kh, kw) = x.shape, w.shape
    oh, ow = out_size(H, kh, s[0], p[0], d[0]), out_size(W, kw, s[1], p[1], d[1])
    y = xp.zeros((N, O, oh, ow), x.dtype)
    columns = xp.zeros((C, kh, kw, oh, ow), x.dtype)
    for n in range(N):
        for u in range(kh):
            for v in range(kw):
                a, b = covered(H, u, s[0], p[0], d[0], 0, oh)
                e, f = covered(W, v, s[1], p[1], d[1], 0, ow)
                if a < b and e < f:
                    r, c = a * s[0] + u * d[0] - p[0], e * s[1] + v * d[1] - p[1]
                    columns[:, u, v, a:b, e:f] = x[
                        n, :, r : r + (b - a - 1) * s[0] + 1 : s[0], c : c + (f - e - 1) * s[1] + 1 : s[1]
                    ]
        y[n] = (w.reshape(groups, -1, Cg * kh * kw) @ columns.reshape(groups, Cg * kh * kw, oh * ow)).reshape(O, oh, ow)
    return y if bias is None else y + bias[:, None, None]


def conv2d_grad_x(
    g: Array,
    w: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d_grad_x``."""
    from . import conv2d_grad_x

    return conv2d_grad_x.definition(g, w, shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv2d_grad_w(
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d_grad_w``."""
    from . import conv2d_grad_w

    return conv2d_grad_w.definition(x, g, shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
