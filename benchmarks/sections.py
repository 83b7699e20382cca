"""What the twins of a Darknet network in other programs read off its sections."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidet.nn import fold_batch_norm


def pair(n: int | tuple[int, int]) -> list[int]:
    """[vertical, horizontal]."""
    return list(n) if isinstance(n, tuple) else [n, n]


def arriving(net: Any, layer: Any) -> tuple[int, ...]:
    """The shape (c, h, w) of the (first) map that a layer reads."""
    source = layer.sources[0]
    return tuple(net.layers[source].shape) if source >= 0 else (net.channels, *net.size)


def folded(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution, the batch norm in them."""
    if layer.bn is not None:
        return fold_batch_norm(layer.conv, layer.bn)
    return layer.conv.weight.data, layer.conv.bias.data


def pool_edges(layer: Any, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, int], tuple[int, int]]:
    """Size and stride of a max pool, and the padding (height, width) before and behind a map (c, h, w).

    Behind, only what the last window really reaches: a program may be slower where it has to pad.
    """
    section = layer.section
    stride = section.integer("stride", 1)
    size = section.integer("size", stride)
    padding = section.integer("padding", size - 1)
    before = padding // 2

    def behind(n: int) -> int:
        return int(max(0, (n + padding - size) // stride * stride + size - before - n))

    return size, stride, (before, before), (behind(shape[1]), behind(shape[2]))
