"""2-D convolution and its two adjoints.

    y[n, o, i, j] = bias[o] + sum over c, u, v of  w[o, c, u, v] * x[n, c, i s + u d - p, j s + v d - p]

``s`` is the stride, ``d`` the dilation and ``p`` the padding; outside of ``x`` there are zeros.  It is what the field
calls convolution and what mathematics calls correlation: the filter is not flipped.  ``conv2d`` is linear in ``x`` and
in ``w``, so its two gradients are linear operators too, the adjoints:

    <conv2d(x, w), g>  ==  <x, conv2d_grad_x(g, w)>  ==  <w, conv2d_grad_w(x, g)>        <a, b> = sum of a * b

Conventions, the same for all three:

- ``stride``, ``padding`` and ``dilation`` are an integer or a (vertical, horizontal) pair; padding is symmetric.
- The output has ``out_size(n, k, stride, padding, dilation)`` places along an axis: rounded down.
- ``groups``: filter ``o`` sees only the channels of group ``o // (O / groups)``; ``groups == C`` is depthwise.
- Arrays are float32 or float64, all of one dtype, and the result has that dtype.
- Empty sums are zero: no images give an empty result, no channels give the bias, no outputs give zero gradients.
"""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from .check import Shape, check_conv2d, check_grad_w, check_grad_x
from .cuda_rungs import float32
from .geometry import IntOrPair, out_size, out_sizes, pair
from .limits import (
    depthwise_three,
    depthwise_three_grad_w,
    depthwise_three_grad_x,
    few_channels,
    few_channels_grad_w,
    fft_loses,
    fft_loses_grad_w,
    fft_loses_grad_x,
    float32_three_by_three,
    float32_three_by_three_grad_x,
    indirect_limits,
    indirect_limits_grad_x,
    indirect_loses,
    indirect_loses_grad_x,
    long_rows,
    one_by_one,
    one_by_one_grad_w,
    rows_lose,
    three_by_three,
    winograd_f2_loses,
    winograd_f4_loses,
    winograd_maps_loses,
    winograd_numba_loses,
    winograd_numba_loses_grad_x,
)
from .limits_grad_w import float32_three_by_three_grad_w, winograd_grad_w_loses
from .limits_pointwise import (
    one_by_one_float32,
    one_by_one_float32_grad_w,
    one_by_one_loses,
    one_by_one_loses_grad_w,
)
from .packed_limits import packed_winograd
from .tensor_cores import tensor_cores, wgmma

__all__ = ["conv2d", "conv2d_fused", "conv2d_grad_w", "conv2d_grad_x", "out_size"]

HERE = "minidet_kernels.convolution"
GPU: Any = {"arrays": {"cupy"}, "needs": ("cupy",)}


@op(
    Impl(
        "numba_cuda",
        f"{HERE}.numba_cuda:conv2d",
        arrays={"cupy"},
        needs=("cupy", "numba.cuda"),
        doubts="minidet_kernels.cuda.twins:doubt",
    ),
    Impl("naive", f"{HERE}.cuda_naive:conv2d", **GPU, limits=f"{HERE}.cuda_limits:takes"),
    Impl("tiled", f"{HERE}.cuda_tiled:conv2d", **GPU, limits=f"{HERE}.cuda_limits:takes"),
    Impl("direct", f"{HERE}.direct:conv2d", needs=("numba",)),
    Impl("im2col", f"{HERE}.im2col:conv2d", arrays={"numpy", "cupy"}),
    Impl("pointwise", f"{HERE}.pointwise:conv2d", arrays={"numpy", "cupy"}, limits=one_by_one),
    *float32("conv2d"),
    *tensor_cores("conv2d", "takes"),
    wgmma("conv2d"),
    Impl("winograd_f2", f"{HERE}.winograd:conv2d_f2", limits=three_by_three, doubts=winograd_f2_loses),
    Impl("winograd_f4", f"{HERE}.winograd:conv2d_f4", limits=three_by_three, doubts=winograd_f4_loses),
    Impl(
        "indirect",
        f"{HERE}.indirect:conv2d",
        needs=("numba",),
        limits=indirect_limits,
        doubts=indirect_loses,
    ),
    Impl("numba", f"{HERE}.numba_cpu:conv2d", needs=("numba",), limits=few_channels),
    Impl("rows", f"{HERE}.rows:conv2d", needs=("numba",), limits=long_rows, doubts=rows_lose),
    Impl("fft", f"{HERE}.fft:conv2d", doubts=fft_loses),
    Impl("depthwise", f"{HERE}.depthwise:conv2d", needs=("numba",), limits=depthwise_three),
    Impl(
        "pointwise_numba",
        f"{HERE}.pointwise_numba:conv2d",
        needs=("numba",),
        limits=one_by_one_float32,
        doubts=one_by_one_loses,
    ),
    Impl(
        "winograd_numba",
        f"{HERE}.winograd_numba:conv2d",
        needs=("numba",),
        limits=float32_three_by_three,
        doubts=winograd_numba_loses,
    ),
    Impl(
        "winograd_maps",
        f"{HERE}.winograd_maps:conv2d",
        needs=("numba",),
        limits=packed_winograd,
        doubts=winograd_maps_loses,
    ),
    check=check_conv2d,
)
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
    """Slide the filters ``w`` (O, C/groups, kh, kw) over ``x`` (N, C, H, W), add ``bias`` (O,): (N, O, oh, ow).

    Raises ``ValueError`` for shapes that do not fit and ``TypeError`` for dtypes other than float32 or float64.
    """
    (O, Cg, kh, kw), (oh, ow) = w.shape, out_sizes(x.shape, w.shape, stride, padding, dilation)
    padded = _padded(x, padding, groups)
    y = np.zeros((len(x), groups, O // groups, oh, ow))
    for u, v in np.ndindex(kh, kw):
        under = padded[_under(u, v, oh, ow, stride, dilation)]  # (N, groups, C/groups, oh, ow)
        y += np.einsum("ngcij,goc->ngoij", under, w[:, :, u, v].reshape(groups, O // groups, Cg))
    y = y.reshape(len(x), O, oh, ow) + (0 if bias is None else bias[:, None, None])
    return y.astype(x.dtype)


@op(
    Impl("naive", f"{HERE}.cuda_naive:conv2d_grad_x", **GPU, limits=f"{HERE}.cuda_limits:takes_grad_x"),
    Impl("tiled", f"{HERE}.cuda_tiled:conv2d_grad_x", **GPU, limits=f"{HERE}.cuda_limits:takes_grad_x"),
    Impl("direct", f"{HERE}.direct:conv2d_grad_x", needs=("numba",)),
    Impl("im2col", f"{HERE}.im2col:conv2d_grad_x", arrays={"numpy", "cupy"}),
    Impl("pointwise", f"{HERE}.pointwise:conv2d_grad_x", arrays={"numpy", "cupy"}, limits=one_by_one),
    *float32("conv2d_grad_x"),
    *tensor_cores("conv2d_grad_x", "takes_grad_x"),
    wgmma("conv2d_grad_x", "takes_wgmma_grad_x"),
    Impl(
        "indirect",
        f"{HERE}.indirect:conv2d_grad_x",
        needs=("numba",),
        limits=indirect_limits_grad_x,
        doubts=indirect_loses_grad_x,
    ),
    Impl("numba", f"{HERE}.numba_cpu:conv2d_grad_x", needs=("numba",), limits=few_channels),
    Impl("fft", f"{HERE}.fft:conv2d_grad_x", doubts=fft_loses_grad_x),
    Impl("depthwise", f"{HERE}.depthwise:conv2d_grad_x", needs=("numba",), limits=depthwise_three_grad_x),
    Impl(
        "pointwise_numba",
        f"{HERE}.pointwise_numba:conv2d_grad_x",
        needs=("numba",),
        limits=one_by_one_float32,
        doubts=one_by_one_loses,
    ),
    Impl(
        "winograd_numba",
        f"{HERE}.winograd_numba:conv2d_grad_x",
        needs=("numba",),
        limits=float32_three_by_three_grad_x,
        doubts=winograd_numba_loses_grad_x,
    ),
    check=check_grad_x,
)
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
    """Send ``g`` (N, O, oh, ow) back through ``w`` to an input of the given ``shape`` (N, C, H, W).

    The gradient of ``<conv2d(x, w), g>`` by ``x``, and so also the transposed convolution of ``g``.
    """
    (N, _, H, W), (O, Cg, kh, kw), (oh, ow), (ph, pw) = shape, w.shape, g.shape[2:], pair(padding)
    padded = np.zeros((N, groups, Cg, H + 2 * ph, W + 2 * pw))
    grouped = g.astype(np.float64).reshape(N, groups, O // groups, oh, ow)
    for u, v in np.ndindex(kh, kw):
        tap = w[:, :, u, v].reshape(groups, O // groups, Cg)
        padded[_under(u, v, oh, ow, stride, dilation)] += np.einsum("ngoij,goc->ngcij", grouped, tap)
    return padded[..., ph : ph + H, pw : pw + W].reshape(shape).astype(g.dtype)


@op(
    Impl("naive", f"{HERE}.cuda_naive:conv2d_grad_w", **GPU, limits=f"{HERE}.cuda_limits:takes_grad_w"),
    Impl("tiled", f"{HERE}.cuda_tiled:conv2d_grad_w", **GPU, limits=f"{HERE}.cuda_limits:takes_grad_w"),
    Impl("direct", f"{HERE}.direct:conv2d_grad_w", needs=("numba",)),
    Impl("im2col", f"{HERE}.im2col:conv2d_grad_w", arrays={"numpy", "cupy"}),
    Impl("pointwise", f"{HERE}.pointwise:conv2d_grad_w", arrays={"numpy", "cupy"}, limits=one_by_one_grad_w),
    *float32("conv2d_grad_w"),
    *tensor_cores("conv2d_grad_w", "takes_grad_w"),
    wgmma("conv2d_grad_w", "takes_wgmma_grad_w", "cuda_wgmma_grad_w"),
    Impl("numba", f"{HERE}.numba_cpu:conv2d_grad_w", needs=("numba",), limits=few_channels_grad_w),
    Impl("fft", f"{HERE}.fft:conv2d_grad_w", doubts=fft_loses_grad_w),
    Impl("depthwise", f"{HERE}.depthwise:conv2d_grad_w", needs=("numba",), limits=depthwise_three_grad_w),
    Impl(
        "pointwise_numba",
        f"{HERE}.pointwise_numba:conv2d_grad_w",
        needs=("numba",),
        limits=one_by_one_float32_grad_w,
        doubts=one_by_one_loses_grad_w,
    ),
    Impl(
        "winograd_numba",
        f"{HERE}.winograd_grad_w:conv2d_grad_w",
        needs=("numba",),
        limits=float32_three_by_three_grad_w,
        doubts=winograd_grad_w_loses,
    ),
    check=check_grad_w,
)
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
    """Send ``g`` (N, O, oh, ow) back through ``x`` (N, C, H, W) to filters of the given ``shape``.

    ``shape`` is (O, C/groups, kh, kw).  The gradient of ``<conv2d(x, w), g>`` by ``w``; that by the bias is
    ``g.sum(axis=(0, 2, 3))``.
    """
    (N, O, oh, ow), (_, Cg, kh, kw) = g.shape, shape
    padded = _padded(x, padding, groups)
    grouped = g.astype(np.float64).reshape(N, groups, O // groups, oh, ow)
    w = np.zeros(shape)
    for u, v in np.ndindex(kh, kw):
        under = padded[_under(u, v, oh, ow, stride, dilation)]
        w[:, :, u, v] = np.einsum("ngcij,ngoij->goc", under, grouped).reshape(O, Cg)
    return w.astype(g.dtype)


def _padded(x: Array, padding: IntOrPair, groups: int) -> Array:
    """``x`` in float64 with its border of zeros, and its channels divided: (N, groups, C/groups, H + 2p, W + 2p)."""
    (N, C, H, W), (ph, pw) = x.shape, pair(padding)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    return padded.reshape(N, groups, C // groups, H + 2 * ph, W + 2 * pw)


def _under(
    u: int, v: int, oh: int, ow: int, stride: IntOrPair, dilation: IntOrPair
) -> tuple[EllipsisType, slice, slice]:
    """The pixels of the padded input that lie under tap (u, v), one for each output: an index of its last two axes."""
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    rows, columns = slice(u * dh, u * dh + (oh - 1) * sh + 1, sh), slice(v * dw, v * dw + (ow - 1) * sw + 1, sw)
    return (..., rows, columns)


from .fused import conv2d_fused  # noqa: E402  it is defined by conv2d
