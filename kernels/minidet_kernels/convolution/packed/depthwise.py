"""Packed depthwise convolution: each channel has a filter of its own, so a vector of channels meets a vector of taps.

    y[pixel, c]  =  bias[c]  +  sum over taps t of  x[pixel + offset[t], c] w[t, c]

Four pixels of a row are taken together, four independent sums, since one multiplication has to wait for another's sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from ..vectors import BYTES, LANES, Builder, Value, add_product, define, index, kernel, load, repeat, splat, store
from .epilogue import BENT, finish
from .maps import Border, Map, aligned
from .pack import TABLE, Epilogue, Geometry, Step, address, padded, places
from .tiles import bend, columns, load_index, whole

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

TOGETHER = 4


def _pixels(count: int) -> Any:
    def build(
        b: Builder, x: Value, x_pixel: Value, y: Value, y_pixel: Value, w: Value, line: Value, offsets: Value,
        taps: Value, bias: Value, vectors: Value, slope: Value,
    ) -> None:  # fmt: skip
        factor = splat(b, slope)
        pixels = [b.add(x, b.mul(x_pixel, index(k))) for k in range(count)]
        outs = [b.add(y, b.mul(y_pixel, index(k))) for k in range(count)]

        def channels(c: Value, state: list[Value]) -> list[Value]:
            shift = b.mul(c, index(BYTES))
            start = load(b, b.add(bias, shift))

            def tap(t: Value, sums: list[Value]) -> list[Value]:
                offset = b.add(shift, load_index(b, b.add(offsets, b.mul(t, index(8)))))
                factor = load(b, b.add(b.add(w, shift), b.mul(t, line)))
                return [
                    add_product(b, total, load(b, b.add(pixel, offset)), factor)
                    for total, pixel in zip(sums, pixels, strict=True)
                ]

            for total, out in zip(repeat(b, taps, [start] * count, tap), outs, strict=True):
                store(b, bend(b, total, factor), b.add(out, shift))
            return state

        repeat(b, vectors, [], channels)

    return build


def _either(b: Builder, many: Value, *arguments: Value) -> None:
    """TOGETHER pixels, or one."""
    whole = b.icmp_signed("==", many, index(TOGETHER))
    with b.if_else(whole) as (together, alone):
        for way, count in ((together, TOGETHER), (alone, 1)):
            with way:
                b.call(define(b, f"minidet_packed_depthwise_{count}", arguments, _pixels(count)), arguments)


@intrinsic
def _depthwise(
    context: Any, many: Any, x: Any, x_pixel: Any, y: Any, y_pixel: Any, w: Any, line: Any, offsets: Any, taps: Any,
    bias: Any, vectors: Any, slope: Any,
) -> Any:  # fmt: skip
    """All channels of TOGETHER pixels of a row, or of one; taps of w lie ``line`` bytes apart."""
    return types.void(*(types.int64,) * 11, types.float32), kernel("minidet_packed_depthwise", _either)


class Call(NamedTuple):
    """Addresses, and distances in bytes, of one call; all integers."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    y: int
    y_image: int
    y_row: int
    y_pixel: int
    r: int  # the residual, or 0
    r_image: int
    r_row: int
    r_pixel: int
    images: int
    height: int
    width: int
    filters: int
    line: int
    offsets: int
    taps: int
    bias: int
    vectors: int
    panels: int
    finished: int  # bytes of a pixel's panel
    code: int
    after: int


KIND = 5


@njit(cache=True)
def work(c, slope, table, thread, threads):
    """A thread's share of the rows of all images, a part of a row at a time."""
    rows = c.images * c.height
    more = c.code != BENT or c.r != 0
    inside = np.float32(1) if more else slope
    for item in range(rows * thread // threads, rows * (thread + 1) // threads):
        n, i = item // c.height, item % c.height
        for first in range(0, c.width, TABLE):
            count = min(TABLE, c.width - first)
            x = c.x + n * c.x_image + i * c.x_row + first * c.x_pixel
            y = c.y + n * c.y_image + i * c.y_row + first * c.y_pixel
            r = c.r + n * c.r_image + i * c.r_row + first * c.r_pixel
            j = 0
            while j < count:
                many = TOGETHER if j + TOGETHER <= count else 1
                _depthwise(
                    many, x + j * c.x_pixel, c.x_pixel, y + j * c.y_pixel, c.y_pixel, c.filters, c.line,
                    c.offsets, c.taps, c.bias, c.vectors, inside,
                )  # fmt: skip
                j += many
            if more:
                for k in range(count):
                    table[0, k] = y + k * c.y_pixel
                    table[1, k] = r + k * c.r_pixel
                residuals = address(table[1]) if c.r else 0
                for panel in range(c.panels):
                    finish(count, c.finished, address(table[0]), panel * c.finished, residuals, c.after, c.code, slope)


class PackedDepthwise:
    """A convolution of as many groups as channels and filters, w (C, 1, kh, kw); its maps' pixels in whole vectors."""

    name = "depthwise"

    def __init__(self, w: np.ndarray, bias: np.ndarray | None, geometry: Geometry, epilogue: Epilogue) -> None:
        self.geometry, self.epilogue = geometry, epilogue
        self.channels = len(w)
        self.filters = aligned((w.shape[2] * w.shape[3], whole(len(w))))
        self.filters[:, : len(w)] = w.reshape(len(w), -1).T
        self.bias = padded(bias, len(w))

    @property
    def packed_bytes(self) -> int:
        """The memory of the packed filters."""
        return self.filters.nbytes + self.bias.nbytes

    def border(self, shape: tuple[int, int], out: tuple[int, int]) -> Border:
        """The zeros that are read around the input."""
        return self.geometry.border(shape, out)

    def bind(self, x: Map, y: Map, residual: Map | None = None) -> list[Step]:
        """The convolution from ``x`` to ``y``; the residual must not share memory with ``y``."""
        image, row, pixel = x.steps
        (kh, kw), (sh, sw) = self.geometry.size, self.geometry.stride
        (ph, pw), (dh, dw) = self.geometry.padding, self.geometry.dilation
        u, v = np.mgrid[:kh, :kw]
        offsets = np.ascontiguousarray(u * dh * row + v * dw * pixel, np.int64).reshape(-1)
        images, height, width, _ = y.data.shape
        vectors = -(-self.channels // LANES)
        assert min(x.width, y.width) >= vectors * LANES
        call = Call._make((
            x.address - ph * row - pw * pixel, image, sh * row, sw * pixel, *places(y, residual),
            images, height, width, self.filters.ctypes.data, self.filters.strides[0], offsets.ctypes.data, kh * kw,
            self.bias.ctypes.data, vectors, len(self.bias) // columns(self.channels), 4 * columns(self.channels),
            self.epilogue.code, int(self.epilogue.after),
        ))  # fmt: skip
        return [Step(KIND, call, (self.filters, self.bias, offsets, x, y, residual), self.epilogue.bend)]
