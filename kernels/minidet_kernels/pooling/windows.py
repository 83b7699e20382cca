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


def check_windows(
    where: str, shape: Sequence[int], size: Pair, stride: Pair | None, padding: Pair | None, convention: str
) -> None:
    """Refuse windows that do not fit, or that could lie in the padding alone."""
    for name, value, least in (("size", size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if value is None:
            continue
        numbers = tuple(value) if isinstance(value, Sequence) else (value,)
        whole = all(hasattr(v, "__index__") for v in numbers)
        if not whole or len(numbers) > 2 or (isinstance(value, Sequence) and len(numbers) != 2) or min(numbers) < least:
            raise ValueError(f"{where}: {name} is an integer of at least {least}, or two of them, not {value!r}")
    for v, label in zip(axes(shape, size, stride, padding, convention), ("height", "width"), strict=True):
        if convention == "torch" and v.before > v.size // 2:
            raise ValueError(f"{where}: padding {v.before} is more than half of size {v.size} (convention 'torch')")
        if max(v.before, v.after) >= v.size:
            raise ValueError(
                f"{where}: padding {v.before} before and {v.after} after leaves windows of size {v.size} empty; "
                f"each must be below the size (convention {convention!r})"
            )
        if v.n < 1 or v.out < 1:
            raise ValueError(
                f"{where}: a {label} of {v.n} with padding {v.before} + {v.after} is too small for size {v.size}"
            )
