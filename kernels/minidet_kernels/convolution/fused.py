"""Convolution and what usually follows it, as one operator.

    y  =  activation(conv2d(x, w) + bias + residual)            order = "residual_first"      (ResNet)
    y  =  activation(conv2d(x, w) + bias) + residual            order = "activation_first"    (Darknet)

Done one after the other, each part reads and writes the whole map; fused, it is done while the outputs are in registers
or in the cache.  A batch norm at inference is folded into ``w`` and ``bias`` before (``minidet.nn.fold_batch_norm``).

The packed implementations keep their maps with the channels last (``packed``).  As this operator they have to pack the
filters and lay out the maps at every call; an inference plan does both once, and that is what they are for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from .check import check_conv2d
from .cuda_rungs import float32
from .geometry import IntOrPair, out_sizes
from .packed_limits import (
    packed_depthwise,
    packed_polyphase,
    packed_polyphase_loses,
    packed_windows,
    packed_winograd,
    packed_winograd_loses,
)
from .tensor_cores import tensor_cores, wgmma

ACTIVATIONS = ("linear", "relu", "leaky", "sigmoid", "silu", "mish", "tanh")
ORDERS = ("activation_first", "residual_first")


def check_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    order: str = "activation_first",
    slope: float = 0.1,
    **options: Any,
) -> None:
    """Raise for what ``conv2d`` raises for, unknown words, and a residual that has not the shape of the result."""
    check_conv2d(x, w, bias, **options)
    if activation not in ACTIVATIONS:
        raise ValueError(f"conv2d_fused: no activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
    if order not in ORDERS:
        raise ValueError(f"conv2d_fused: order is {' or '.join(map(repr, ORDERS))}, not {order!r}")
    if residual is not None:
        geometry = (options.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1)))
        shape = (len(x), len(w), *out_sizes(x.shape, w.shape, *geometry))
        if residual.shape != shape or residual.dtype != x.dtype:
            raise ValueError(
                f"conv2d_fused: residual of {residual.dtype} {residual.shape}; the result is {x.dtype} {shape}"
            )


@op(
    Impl("layers", "minidet_kernels.convolution.layers:conv2d_fused"),
    Impl(
        "tiled",
        "minidet_kernels.convolution.cuda_tiled:conv2d_fused",
        arrays={"cupy"},
        needs=("cupy",),
        limits="minidet_kernels.convolution.cuda_limits:takes",
    ),
    *float32("conv2d_fused"),
    *tensor_cores("conv2d_fused", "takes"),
    wgmma("conv2d_fused"),
    Impl("windows", "minidet_kernels.convolution.packed.fused:windows", needs=("numba",), limits=packed_windows),
    Impl("depthwise", "minidet_kernels.convolution.packed.fused:depthwise", needs=("numba",), limits=packed_depthwise),
    Impl(
        "winograd",
        "minidet_kernels.convolution.packed.fused:winograd",
        needs=("numba",),
        limits=packed_winograd,
        doubts=packed_winograd_loses,
    ),
    Impl(
        "polyphase",
        "minidet_kernels.convolution.packed.fused:polyphase",
        needs=("numba",),
        limits=packed_polyphase,
        doubts=packed_polyphase_loses,
    ),
    check=check_fused,
)
def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """``conv2d`` with an ``activation`` ("leaky" has the ``slope``), and a residual (N, O, oh, ow) before or after."""
    from . import conv2d

    wide = [a.astype(np.float64) for a in (x, w, *(() if bias is None else (bias,)))]
    y = conv2d.definition(*wide, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if residual is not None and order == "residual_first":
        y += residual
    y = activate(y, activation, slope)
    if residual is not None and order == "activation_first":
        y += residual
    return y.astype(x.dtype)


def activate(y: Array, activation: str, slope: float) -> Array:
    """The activation of that name: Maas et al. 2013 (leaky), Misra 2019 (mish), Ramachandran et al. 2017 (silu)."""
    if activation == "linear":
        return y
    if activation in ("relu", "leaky"):
        slope = 0.0 if activation == "relu" else slope
        return np.where(y < 0, np.multiply(slope, y, where=slope != 0, out=np.zeros_like(y)), y)
    if activation == "tanh":
        return np.tanh(y)
    if activation == "mish":
        return np.maximum(y, -1e4) * np.tanh(np.logaddexp(0, y))
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-y))
    return sigmoid if activation == "sigmoid" else np.maximum(y, -1e4) * sigmoid
