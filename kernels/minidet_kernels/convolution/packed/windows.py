"""Packed convolution as one matrix product over the windows where they lie: any size, stride and dilation.

    y (pixels, O)  =  windows (pixels, kh kw C) @ filters (kh kw C, O)

Nothing is unfolded: with the channels last, a window is a few runs of numbers in the map itself (``tiles``).  A block
of pixels goes through all runs of a panel of filters before the next panel; deep windows are taken in pieces, so that a
piece of a panel stays in the cache until all pixels of the block have met it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .epilogue import BENT, finish
from .maps import Border, Map
from .pack import TABLE, Epilogue, Geometry, Step, address, padded, panels, places
from .tiles import LINE, ROW_LINES, ROWS, claim, product

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Pixels of a block, and bytes of a panel's piece, and of a group of panels, that share the cache (measured).
BLOCK, PIECE, GROUP = 4 * ROWS, 2**18, 2**18
assert BLOCK <= TABLE


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
    pieces: int
    panels: int  # panels in all
    line: int  # bytes of a panel's row
    group: int  # panels at a time
    offsets: int
    together: int  # runs of a piece
    run: int
    pace: int  # bytes of a run of the next pixels at a time
    bias: int
    code: int
    after: int


KIND = 1


@njit(cache=True)
def work(c, slope, table, counters, thread, threads):
    """A thread's share: blocks of pixels by groups of panels."""
    pixels = c.images * c.height * c.width
    blocks = (pixels + BLOCK * threads - 1) // (BLOCK * threads) * threads  # as many for each thread
    groups = (c.panels + c.group - 1) // c.group
    depth = c.together * c.run * c.line  # bytes of a piece of a panel
    more = c.code != BENT or c.r != 0
    rows, outs, residuals = address(table[0]), address(table[1]), address(table[2]) if c.r else 0
    while True:
        item = claim(counters, thread, threads, blocks * groups)
        if item < 0:
            break
        first, block = item // blocks * c.group, item % blocks
        start, stop = pixels * block // blocks, pixels * (block + 1) // blocks
        k = start
        while k < stop:  # a row of the map, or what of it is in the block
            n, i, j = k // (c.height * c.width), k // c.width % c.height, k % c.width
            x = c.x + n * c.x_image + i * c.x_row + j * c.x_pixel
            y = c.y + n * c.y_image + i * c.y_row + j * c.y_pixel
            r = c.r + n * c.r_image + i * c.r_row + j * c.r_pixel
            for _ in range(min(stop - k, c.width - j)):
                table[0, k - start], table[1, k - start], table[2, k - start] = x, y, r
                x, y, r, k = x + c.x_pixel, y + c.y_pixel, r + c.r_pixel, k + 1
        for panel in range(first, min(first + c.group, c.panels)):
            shift, bias = panel * c.line, c.bias + panel * c.line
            for piece in range(c.pieces):
                filters = c.filters + (panel * c.pieces + piece) * depth
                offsets, begin = c.offsets + 16 * piece * c.together, bias if piece == 0 else 0
                last = slope if piece == c.pieces - 1 and not more else np.float32(1)
                product(
                    stop - start, c.line, rows, outs, shift, filters, offsets, c.together, c.run, begin, last,
                    table[0, 0], c.pace, filters + depth, depth,
                )  # fmt: skip
            if more:
                finish(stop - start, c.line, outs, shift, residuals, c.after, c.code, slope)


class PackedWindows:
    """A convolution of one group whose filters (O, C, kh, kw) are packed for the product over windows."""

    name = "windows"

    def __init__(self, w: np.ndarray, bias: np.ndarray | None, geometry: Geometry, epilogue: Epilogue) -> None:
        self.geometry, self.epilogue = geometry, epilogue
        self.channels = w.shape[1]
        filters, depth = len(w), w.shape[1] * w.shape[2] * w.shape[3]
        self.panels = panels(w.transpose(2, 3, 1, 0).reshape(depth, filters))  # (panels, kh kw C, columns)
        self.bias = padded(bias, filters)

    @property
    def packed_bytes(self) -> int:
        """The memory of the packed filters."""
        return self.panels.nbytes + self.bias.nbytes

    def border(self, shape: tuple[int, int], out: tuple[int, int]) -> Border:
        """The zeros that are read around the input."""
        return self.geometry.border(shape, out)

    def bind(self, x: Map, y: Map, residual: Map | None = None) -> list[Step]:
        """The convolution from ``x`` to ``y``; the residual must not share memory with ``y``."""
        _, row, pixel = x.steps
        (ph, pw), (sh, sw) = self.geometry.padding, self.geometry.stride
        runs, run = self._runs(row, pixel)
        count = _together(len(runs), run)
        images, height, width, _ = y.data.shape
        line = self.panels.strides[1]
        depth = self.panels.shape[1] * line
        runs = np.array([runs, np.arange(len(runs)) % count * run * line]).T.copy()
        call = Call._make((
            x.address - ph * row - pw * pixel, x.steps[0], sh * row, sw * pixel, *places(y, residual),
            images, height, width, self.panels.ctypes.data, len(runs) // count, len(self.panels), line,
            max(1, min(len(self.panels), GROUP // max(1, depth))), runs.ctypes.data, count, run,
            ROW_LINES * 64 * self.channels // max(1, run), self.bias.ctypes.data,
            self.epilogue.code, int(self.epilogue.after),
        ))  # fmt: skip
        return [Step(KIND, call, (self.panels, self.bias, runs, x, y, residual), self.epilogue.bend)]

    def _runs(self, row: int, pixel: int) -> tuple[np.ndarray, int]:
        """The byte offsets of a window's runs, and their length in numbers."""
        (kh, kw), (dh, dw) = self.geometry.size, self.geometry.dilation
        if kw == 1 or (dw == 1 and pixel == 4 * self.channels):  # the pixels of a row are one run
            return np.arange(kh, dtype=np.int64) * dh * row, kw * self.channels
        u, v = np.mgrid[:kh, :kw]
        return np.ascontiguousarray(u * dh * row + v * dw * pixel, np.int64).reshape(-1), self.channels


def _together(runs: int, run: int) -> int:
    """How many runs make a piece: all, or the most that divide them and fit in PIECE bytes."""
    fit = [n for n in range(1, runs + 1) if runs % n == 0 and n * run * LINE <= PIECE]
    return fit[-1] if fit else 1
