"""Packed Winograd F(4 x 4, 3 x 3): 36 products for sixteen outputs, where the windows take 144.

    V[point, tile, c]  =  B^T x B        M[tile, point, o]  =  sum over c of  V[point, tile, c] U[point, c, o]
    U[point, c, o]     =  G w G^T        y                  =  A^T M A

Two orders of work, chosen by what fits in the cache.  *By tiles*, for few filters: ``U`` is made once, when the weights
are packed, and each thread takes a block of tiles through all three steps.  *By filters*, for many: ``V`` is made for
all tiles of a block by all threads; then each thread takes panels of filters, and makes their ``U`` on the spot from
the nine taps, because reading four times as many numbers from memory takes longer than computing them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..toom_cook import F4
from .epilogue import BENT, finish
from .maps import Border, Map, aligned
from .pack import TABLE, Epilogue, Geometry, Step, address, padded, panels, places
from .tiles import COLUMNS, LINE, claim, fetch, product
from .winograd_vectors import G, transform_filters, transform_inputs, transform_outputs

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

M, N = F4.m, F4.n
POINTS = N * N

#: By tiles while channels times filters are at most this many; so many tiles at a time (measured).
FEW, TILES = 2**14, 24
#: By filters: channels whose U is made at a time; tiles whose M is held at a time with all channels, or with some.
CHANNELS, HELD, WHOLE = 64, 48, 96
#: Tiles whose V is held at a time where all channels are taken at once.
MOST = 256
assert max(TILES, HELD, WHOLE, M * M) <= TABLE


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
    channels: int
    panels: int
    filters: int  # U of all panels, or their taps
    bias: int
    zeros: int
    nowhere: int
    offsets: int  # of the 36 points in V
    v_tile: int
    v_point: int
    u_point: int
    piece: int  # channels at a time
    held: int  # tiles of M at a time
    code: int
    after: int
    start: int  # the tiles of this step
    stop: int
    m: int  # where M lies in the thread's own memory, behind V or U


BY_TILES, INPUTS, BY_FILTERS = 2, 3, 4


@njit(cache=True)
def _place(c, t):
    """Image, row and column of a tile's first output."""
    rows, columns = (c.height + M - 1) // M, (c.width + M - 1) // M
    return t // (rows * columns), M * (t // columns % rows), M * (t % columns)


@njit(cache=True)
def _input(c, t, v):
    """V of one tile."""
    n, i, j = _place(c, t)
    x = c.x + n * c.x_image + i * c.x_row + j * c.x_pixel
    transform_inputs(x, c.x_row, c.x_pixel, v, c.v_point, c.channels // 16)


@njit(cache=True)
def _output(c, t, panel, m, table, slope):
    """The outputs of one tile and panel, finished; table (2, 16 or more)."""
    n, i, j = _place(c, t)
    shift = panel * LINE
    y = c.y + n * c.y_image + i * c.y_row + j * c.y_pixel
    r = c.r + n * c.r_image + i * c.r_row + j * c.r_pixel
    height, width = min(M, c.height - i), min(M, c.width - j)
    if c.code == BENT:
        other = r + shift if c.r else 0
        transform_outputs(
            m, y + shift, c.y_row, c.y_pixel, height, width, c.bias + shift,
            other, c.r_row, c.r_pixel, c.after, c.nowhere, slope,
        )  # fmt: skip
        return
    transform_outputs(
        m, y + shift, c.y_row, c.y_pixel, height, width, c.bias + shift, 0, 0, 0, 0, c.nowhere, np.float32(1)
    )
    for k in range(height * width):
        table[0, k] = y + k // width * c.y_row + k % width * c.y_pixel
        table[1, k] = r + k // width * c.r_row + k % width * c.r_pixel
    residuals = address(table[1]) if c.r else 0
    finish(height * width, LINE, address(table[0]), shift, residuals, c.after, c.code, slope)


@njit(cache=True)
def _rows(c, v, m, count, table):
    """The addresses of the rows of V, and of M, of some tiles."""
    for t in range(count):
        table[0, t] = v + t * c.v_tile
        table[1, t] = m + t * POINTS * LINE


@njit(cache=True)
def by_tiles(c, slope, private, table, counters, thread, threads):
    """A thread's share: all three steps, a block of tiles at a time."""
    tiles = c.stop - c.start
    blocks = (tiles + TILES * threads - 1) // (TILES * threads) * threads  # as many for each thread
    v, m = private, private + c.m
    while True:
        block = claim(counters, thread, threads, blocks)
        if block < 0:
            break
        start, stop = tiles * block // blocks, tiles * (block + 1) // blocks
        for t in range(start, stop):
            _input(c, t, v + (t - start) * c.v_tile)
        _rows(c, v, m, stop - start, table)
        for panel in range(c.panels):
            for p in range(POINTS):
                u = c.filters + (panel * POINTS + p) * c.channels * LINE
                product(
                    stop - start, LINE, address(table[0]), address(table[1]), p * LINE, u,
                    c.offsets + 8 * p, 1, c.channels, c.zeros, np.float32(1),
                )  # fmt: skip
            for t in range(start, stop):
                _output(c, t, panel, m + (t - start) * POINTS * LINE, table[2:], slope)


@njit(cache=True)
def inputs(c, v, thread, threads):
    """A thread's share of V of the step's tiles."""
    count = c.stop - c.start
    for t in range(count * thread // threads, count * (thread + 1) // threads):
        _input(c, c.start + t, v + t * c.v_tile)


@njit(cache=True)
def by_filters(c, slope, v, private, table, counters, thread, threads):
    """A thread's share of the products and outputs of the step's tiles: panels of filters."""
    tiles, pieces, taps = c.stop - c.start, c.channels // c.piece, c.piece * 9 * LINE
    blocks, u, m = (tiles + c.held - 1) // c.held, private, private + c.m
    while True:
        panel = claim(counters, thread, threads, c.panels)
        if panel < 0:
            break
        for block in range(blocks):
            first, stop = tiles * block // blocks, tiles * (block + 1) // blocks
            for piece in range(pieces):
                here = c.filters + (panel * pieces + piece) * taps
                if pieces > 1 or block == 0:
                    transform_filters(here, u, c.u_point, c.piece)
                _rows(c, v + first * c.v_tile + piece * c.piece * 4, m, stop - first, table)
                begin = c.zeros if piece == 0 else 0
                for p in range(POINTS):
                    if pieces > 1:  # the taps that come next are on their way while these are multiplied
                        fetch(here + taps + p * taps // POINTS, taps // (POINTS * 64))
                    product(
                        stop - first, LINE, address(table[0]), address(table[1]), p * LINE, u + p * c.u_point,
                        c.offsets + 8 * p, 1, c.piece, begin, np.float32(1),
                    )  # fmt: skip
            for t in range(first, stop):
                _output(c, c.start + t, panel, m + (t - first) * POINTS * LINE, table[2:], slope)


def odd(size: int) -> int:
    """So many bytes as an odd number of cache lines, so that equal distances do not fall in one set of the cache."""
    return (-(-size // 64) | 1) * 64


class PackedWinograd:
    """A 3 x 3 convolution of stride 1, one group, a multiple of sixteen channels, and more than sixteen filters."""

    name = "winograd"

    def __init__(self, w: np.ndarray, bias: np.ndarray | None, geometry: Geometry, epilogue: Epilogue) -> None:
        filters, self.channels = w.shape[:2]
        self.geometry, self.epilogue = geometry, epilogue
        self.by_tiles = self.channels * filters <= FEW
        taps = w.transpose(1, 2, 3, 0)  # (C, 3, 3, O)
        if self.by_tiles:
            u = np.einsum("ia,cabo,jb->ijco", G, taps.astype(np.float64), G, optimize=True)
            self.panels = panels(u.reshape(POINTS, self.channels, filters))
        else:
            self.panels = panels(taps.reshape(self.channels, 9, filters))
        self.bias = padded(bias, filters)

    @property
    def packed_bytes(self) -> int:
        """The memory of the packed filters."""
        return self.panels.nbytes + self.bias.nbytes

    def border(self, shape: tuple[int, int], out: tuple[int, int]) -> Border:
        """The zeros that are read around the input: those of whole tiles."""
        (ph, pw), (oh, ow) = self.geometry.padding, (-(-n // M) * M for n in out)
        return Border(ph, pw, max(0, oh + 2 - ph - shape[0]), max(0, ow + 2 - pw - shape[1]))

    def bind(self, x: Map, y: Map, residual: Map | None = None) -> list[Step]:
        """The convolution from ``x`` to ``y``; without another activation the residual may be ``y`` itself."""
        image, row, pixel = x.steps
        (ph, pw), C = self.geometry.padding, self.channels
        images, height, width, _ = y.data.shape
        tiles = images * -(-height // M) * -(-width // M)
        pieces = 1 if C <= CHANNELS else next(n for n in range(1, C + 1) if C % n == 0 and C // n <= CHANNELS)
        chunk = TILES if self.by_tiles else MOST if pieces == 1 else WHOLE
        chunks = max(1, -(-tiles // chunk))
        chunk = max(1, -(-tiles // chunks))
        held = chunk if self.by_tiles or pieces > 1 else min(chunk, HELD)
        v_tile = 4 * (C + 16)
        v_point, u_point = odd(chunk * v_tile), odd(C // pieces * LINE)
        offsets, spare = np.arange(POINTS, dtype=np.int64) * v_point, aligned((2, COLUMNS))
        m = POINTS * (v_point if self.by_tiles else u_point)
        call = Call._make((
            x.address - ph * row - pw * pixel, image, row, pixel, *places(y, residual), images, height, width,
            C, len(self.panels), self.panels.ctypes.data, self.bias.ctypes.data, spare[0].ctypes.data,
            spare[1].ctypes.data, offsets.ctypes.data, v_tile, v_point, u_point, C // pieces, held,
            self.epilogue.code, int(self.epilogue.after), 0, tiles, m,
        ))  # fmt: skip
        slope, kept = self.epilogue.bend, (self.panels, self.bias, offsets, spare, x, y, residual)
        private = (m + held * POINTS * LINE) // 4
        if self.by_tiles:
            return [Step(BY_TILES, call, kept, slope, private)]
        steps = []
        for k in range(chunks):
            part = call._replace(start=tiles * k // chunks, stop=tiles * (k + 1) // chunks)
            steps.append(Step(INPUTS, part, kept, shared=POINTS * v_point // 4))
            steps.append(Step(BY_FILTERS, part, kept, slope, private))
        return steps
