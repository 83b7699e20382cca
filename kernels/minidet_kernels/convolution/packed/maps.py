"""Feature maps with their channels last and a border of zeros around them, as the packed kernels read and write them.

A window that hangs over the edge reads zeros like any other numbers, so no kernel asks where the edge is.  A pixel's
channels lie side by side in whole cache lines; a map may also be some of the channels of a wider one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..scratch import scratch

CACHE_LINE = 64
BEHIND = 64  # numbers; more than a panel is wide


class Border(NamedTuple):
    """How many rows and columns of zeros lie around a map."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def around(self, other: Border) -> Border:
        """The least border that is enough for both."""
        return Border(*map(max, self, other))


NONE = Border()


def aligned(shape: tuple[int, ...], name: str | None = None) -> np.ndarray:
    """A float32 array that begins on a cache line: zeros, or with a ``name`` a part of that scratch memory.

    Behind it lies what the last pixel's panel may read beyond its channels.
    """
    size, line = math.prod(shape), CACHE_LINE // 4
    buffer = np.zeros(size + line + BEHIND, np.float32) if name is None else scratch(name, (size + line,))
    begin = -buffer.ctypes.data // 4 % line
    return buffer[begin : begin + size].reshape(shape)


@dataclass(frozen=True)
class Map:
    """The pixels (N, H, W, C) of a map within its buffer, and the border of zeros that is around them there.

    ``address`` is where the first channel of the first pixel lies, or would lie in a map without pixels; ``width`` the
    number of channels that may be written from the first one on: C, or more where C is padded.
    """

    data: np.ndarray
    border: Border
    width: int
    address: int

    @staticmethod
    def empty(shape: tuple[int, int, int, int], border: Border = NONE, width: int | None = None) -> Map:
        """A new map of zeros (N, H, W, C), its pixels ``width`` numbers apart."""
        n, h, w, c = shape
        width = width or c
        buffer = aligned((n, border.top + h + border.bottom, border.left + w + border.right, width))
        inner = buffer[:, border.top : border.top + h, border.left : border.left + w, :c]
        first = border.top * buffer.strides[1] + border.left * buffer.strides[2]
        return Map(inner, border, width, buffer.ctypes.data + first)

    def channels(self, first: int, count: int, width: int | None = None) -> Map:
        """Some of the channels, as a map of their own, of which ``width`` may be written."""
        return Map(self.data[..., first : first + count], self.border, width or count, self.address + 4 * first)

    @property
    def steps(self) -> tuple[int, int, int]:
        """Bytes from image to image, from row to row, from pixel to pixel."""
        image, row, pixel, _ = self.data.strides
        return image, row, pixel
