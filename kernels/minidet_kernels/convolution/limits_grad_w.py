"""Which calls Winograd's gradient of the filters takes, and where it pays; read without importing Numba."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, pair

#: The fewest pairs of filters and channels, tiles, and products of the formula, for which it pays (measured).
PAIRS, TILES, PRODUCTS = 32, 9, 4_000_000


def float32_three_by_three_grad_w(
    x: Array,
    g: Array,
    *,
    shape: Shape,
    stride: IntOrPair = 1,
    dilation: IntOrPair = 1,
    groups: int = 1,
    **options: Any,
) -> str | None:
    """Why it cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if tuple(shape[2:]) != (3, 3):
        return f"takes filters of 3 x 3, not {shape[2]} x {shape[3]}"
    for name, value in (("stride", pair(stride)), ("dilation", pair(dilation))):
        if value != (1, 1):
            return f"takes {name} 1, not {value}"
    return None if groups == 1 else f"takes one group, not {groups}"


def winograd_grad_w_loses(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """Where a plain product, or a sum over few channels, is faster (measured).

    Filters and channels are filled up to sixteens, each filter has its last transform, and threads have to be started.
    """
    pairs, tiles = shape[0] * shape[1], len(g) * -(-g.shape[2] // 4) * -(-g.shape[3] // 4)
    products = 9 * pairs * g[:, :1].size
    if pairs < PAIRS or tiles < TILES or products < PRODUCTS:
        return (
            f"pays from {PAIRS} pairs of filters and channels, {TILES} tiles and {PRODUCTS / 1e6:.0f} million products "
            f"on, not for {pairs}, {tiles} and {products / 1e6:.1f} million"
        )
    return None
