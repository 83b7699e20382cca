"""The packed convolutions as implementations of ``conv2d_fused``: pack, lay out, run, and lay out as an array again."""

from __future__ import annotations

from typing import Any

from ...arrays import Array
from ..geometry import IntOrPair, out_sizes, pair
from . import Epilogue, Geometry, Map, Packed, Program, from_map, to_map, whole
from .depthwise import PackedDepthwise
from .windows import PackedWindows
from .winograd import PackedPolyphase, PackedWinograd


def _fused(
    kind: type[Packed],
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
    """``conv2d_fused`` by one kind of packed convolution."""
    out = out_sizes(x.shape, w.shape, stride, padding, dilation)
    geometry = Geometry((w.shape[2], w.shape[3]), pair(stride), pair(padding), pair(dilation))
    conv = kind(w, bias, geometry, Epilogue(activation, slope, after=order == "activation_first"))
    (n, c, *size), o = x.shape, len(w)
    source = Map.empty((n, *size, c), conv.border((size[0], size[1]), out), whole(c))
    target = Map.empty((n, *out, o), width=whole(o))
    to_map(x, source)
    more = None
    if residual is not None:
        more = Map.empty((n, *out, o), width=whole(o))
        to_map(residual, more)
    Program(conv.bind(source, target, more)).run()
    return from_map(target)


def windows(x: Array, w: Array, *others: Any, **options: Any) -> Array:
    """See ``minidet_kernels.convolution.conv2d_fused``."""
    return _fused(PackedWindows, x, w, *others, **options)


def depthwise(x: Array, w: Array, *others: Any, **options: Any) -> Array:
    """See ``minidet_kernels.convolution.conv2d_fused``."""
    return _fused(PackedDepthwise, x, w, *others, **options)


def winograd(x: Array, w: Array, *others: Any, **options: Any) -> Array:
    """See ``minidet_kernels.convolution.conv2d_fused``."""
    return _fused(PackedWinograd, x, w, *others, **options)


def polyphase(x: Array, w: Array, *others: Any, **options: Any) -> Array:
    """See ``minidet_kernels.convolution.conv2d_fused``."""
    return _fused(PackedPolyphase, x, w, *others, **options)
