"""Convolutions with packed filters, on maps with their channels last; and each of them as ``conv2d_fused``.

Where to begin: ``tiles`` (the product in registers), then ``windows`` (a convolution as that product), ``winograd``,
``depthwise``, ``epilogue`` (what follows the sums), ``maps`` and ``layout``.

A packed convolution is made once from its filters.  ``border`` says how many zeros it reads around its input, ``bind``
gives it the maps to read and write, and what that returns runs it::

    conv = PackedWindows(w, bias, Geometry((3, 3), padding=(1, 1)), Epilogue("leaky", 0.1))
    x = Map.empty((1, 52, 52, 128), conv.border((52, 52), (52, 52)))
    y = Map.empty((1, 52, 52, 256))
    run = conv.bind(x, y)
    run()
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ..geometry import IntOrPair, out_sizes, pair
from ..threads import start_quietly
from .ceiling import multiply_add_rate
from .depthwise import PackedDepthwise
from .greatest import bind_greatest
from .layout import enlarge, from_map, to_map
from .maps import Border, Map
from .pack import Bound, Epilogue, Geometry
from .tiles import COLUMNS
from .windows import PackedWindows
from .winograd import PackedWinograd

__all__ = [
    "COLUMNS", "KINDS", "Border", "Bound", "Epilogue", "Geometry", "Map", "Packed", "bind_greatest", "enlarge",
    "from_map", "multiply_add_rate", "to_map", "whole",
]  # fmt: skip

start_quietly()

Packed = PackedWindows | PackedDepthwise | PackedWinograd

#: The packed convolutions by the names that ``conv2d_fused`` knows them by.
KINDS: dict[str, type[Packed]] = {kind.name: kind for kind in (PackedWindows, PackedDepthwise, PackedWinograd)}


def whole(channels: int) -> int:
    """The channels of a map that kernels may write: whole panels."""
    return -(-channels // COLUMNS) * COLUMNS


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
    """Pack, lay out, run, and lay out as an array again."""
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
    conv.bind(source, target, more)()
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
