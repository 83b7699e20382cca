"""Where the windows of a pooling lie: one axis at a time, by convention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

#: A number for both axes, or (vertical, horizontal).
Pair: TypeAlias = int | Sequence[int]

CONVENTIONS = ("torch", "caffe", "darknet")


class Axis(NamedTuple):
    """The windows along one axis of ``n`` elements: window ``i`` starts at ``i * stride - before``."""

    n: int
    size: int
    stride: int
    before: int
    after: int
    out: int

    def span(self, i: int) -> tuple[int, int]:
        """First and one past the last element of window ``i`` that lie in the input."""
        start = i * self.stride - self.before
        return max(start, 0), min(start + self.size, self.n)

    def padded(self, i: int) -> int:
        """Length of window ``i``, the padding counted; a window is cut where the padding ends."""
        start = i * self.stride - self.before
        return min(start + self.size, self.n + self.after) - start


def pair(value: Pair) -> tuple[int, int]:
    """``value`` for (vertical, horizontal)."""
    if isinstance(value, Sequence):
        vertical, horizontal = value
        return int(vertical), int(horizontal)
    return int(value), int(value)


def axis(n: int, size: int, stride: int, padding: int | None, convention: str) -> Axis:
    """The windows along an axis of ``n`` elements."""
    if convention == "darknet":
        total = size - 1 if padding is None else padding
        before = total // 2
        return Axis(n, size, stride, before, total - before, (n + total - size) // stride + 1)
    p = 0 if padding is None else padding
    room = n + 2 * p - size
    if convention == "torch":
        return Axis(n, size, stride, p, p, room // stride + 1)
    out = -(-room // stride) + 1
    if (out - 1) * stride >= n + p:  # a last window that would start in the padding behind is dropped
        out -= 1
    return Axis(n, size, stride, p, p, out)


def axes(
    shape: Sequence[int], size: Pair, stride: Pair | None, padding: Pair | None, convention: str
) -> tuple[Axis, Axis]:
    """The windows along the vertical and the horizontal axis of an input (N, C, H, W)."""
    sizes, strides = pair(size), pair(size if stride is None else stride)
    paddings: tuple[int | None, int | None] = (None, None) if padding is None else pair(padding)
    vertical, horizontal = (axis(shape[2 + d], sizes[d], strides[d], paddings[d], convention) for d in (0, 1))
    return vertical, horizontal


def inside(v: Axis, u: int) -> tuple[slice, slice]:
    """The windows whose element ``u`` lies in the input, and those elements."""
    first = max(0, -(-(v.before - u) // v.stride))
    last = min(v.out - 1, (v.n - 1 + v.before - u) // v.stride)
    start = first * v.stride - v.before + u
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(start, start + (last - first) * v.stride + 1, v.stride)
