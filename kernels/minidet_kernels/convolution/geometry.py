"""Sizes and pairs: which input pixel lies under which tap of the filter."""

from __future__ import annotations

from operator import index
from typing import TypeAlias

Pair: TypeAlias = tuple[int, int]
IntOrPair: TypeAlias = int | Pair


def pair(value: IntOrPair) -> Pair:
    """``3`` and ``(3, 3)`` are the same: vertical, then horizontal."""
    if isinstance(value, tuple | list):
        vertical, horizontal = value
        return index(vertical), index(horizontal)
    return (index(value),) * 2


def extent(k: int, dilation: int) -> int:
    """How many input pixels ``k`` taps span, ``dilation`` apart."""
    return dilation * (k - 1) + 1


def out_size(n: int, k: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many places a filter of ``k`` taps has along an axis of ``n`` pixels.

    ``(n + 2 padding - dilation (k - 1) - 1) // stride + 1``: places that do not fit are dropped (floor, as in torch,
    Caffe's convolution and Darknet).  Zero or less means that the filter is larger than the padded input.
    """
    return (n + 2 * padding - extent(k, dilation)) // stride + 1


def out_sizes(
    x: tuple[int, ...], w: tuple[int, ...], stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair
) -> tuple[int, int]:
    """``out_size`` of both axes, from the shapes of ``x`` and ``w``."""
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    return out_size(x[2], w[2], sh, ph, dh), out_size(x[3], w[3], sw, pw, dw)


def covered(n: int, tap: int, stride: int, padding: int, dilation: int, first: int, last: int) -> tuple[int, int]:
    """The outputs ``[a, b)`` within ``[first, last)`` for which this tap lies on a pixel and not in the padding.

    Output ``i`` puts the tap on pixel ``i stride + tap dilation - padding``, which must be in ``[0, n)``.
    """
    offset = tap * dilation - padding
    a = max(first, -(offset // stride))  # the least i with i*stride + offset >= 0
    b = min(last, (n - 1 - offset) // stride + 1)
    return (a, b) if a < b else (first, first)
