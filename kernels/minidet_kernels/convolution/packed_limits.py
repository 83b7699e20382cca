"""Which fused convolutions the packed implementations take, and where one of them pays.

Apart from them, because this is read without importing Numba.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from .geometry import IntOrPair, out_sizes
from .limits import three_by_three

#: Channels that a vector holds.
LANES = 16


def packed_windows(x: Array, w: Array, *others: Any, groups: int = 1, **options: Any) -> str | None:
    """Why the packed product over windows cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    return None if groups == 1 else f"takes one group, not {groups}"


def packed_depthwise(x: Array, w: Array, *others: Any, groups: int = 1, **options: Any) -> str | None:
    """Why the packed depthwise convolution cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if groups == x.shape[1] == len(w):
        return None
    return f"takes as many groups as channels and filters, not {groups}, {x.shape[1]} and {len(w)}"


def packed_winograd(
    x: Array,
    w: Array,
    *others: Any,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    **options: Any,
) -> str | None:
    """Why the packed Winograd convolution cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if not x.shape[1] or x.shape[1] % LANES:
        return f"takes a multiple of {LANES} channels, not {x.shape[1]}"
    if len(w) <= LANES:
        return f"takes more than {LANES} filters, not {len(w)}"
    return three_by_three(x, w, stride=stride, dilation=dilation, groups=groups)


def packed_winograd_loses(x: Array, w: Array, *others: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Where the packed Winograd convolution has more to multiply than the windows: on maps of a few pixels."""
    oh, ow = out_sizes(x.shape, w.shape, 1, padding, 1)
    products, instead = 36 * -(-oh // 4) * -(-ow // 4), 9 * oh * ow
    return None if products < 0.8 * instead else f"pays where tiles are full, not for outputs of {oh} x {ow}"
