"""Packed Winograd: a 3 x 3 convolution of stride 1 or 2 from fewer products than it has terms (``schemes``).

    V[phases, tile, c]  =  B x B^T     M[tile, point, o]  =  sum over phases, c of  V[phases, tile, c] U[phases, c, o]
    U[phases, c, o]     =  F w F^T     y                  =  A^T M A

The pairs of phases that are summed at one point lie one after the other, so each sum is one product of matrices.

Two orders of work, chosen by what fits in the cache.  *By tiles*, for few filters: ``U`` is made once, when the weights
are packed, and each thread takes a block of tiles through all three steps.  *By filters*, for many: ``V`` is made for
all tiles of a block by all threads; then each thread takes panels of filters, and makes their ``U`` on the spot from
the nine taps, because reading four times as many numbers from memory takes longer than computing them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..packed_limits import FEW, second_cache
from .epilogue import BENT, finish
from .maps import Border, Map, aligned
from .pack import TABLE, Epilogue, Geometry, Step, address, padded, panels, places
from .schemes import SCHEMES, Scheme
from .tiles import AHEAD, COLUMNS, LINE, ROW_LINES, claim, fetch, product, read
from .winograd_vectors import touch, transform_filters, transform_inputs, transform_outputs

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: By tiles while channels times filters are at most FEW; so many tiles at a time (measured).
TILES = 24
#: By filters: bytes of U that are made at a time, of all channels or of some, by the size of the second cache.
TOGETHER, PIECE = (600 * 2**10, 300 * 2**10) if second_cache() < 2**21 else (1700 * 2**10, 600 * 2**10)
#: Tiles whose M is held at a time then.
HELD, WHOLE = 48, 96
#: Tiles whose V is held at a time where all channels are taken at once.
MOST = 256
#: Tiles of 5 x 5, which take longer to transform and lose more, where they take less than this share of the products.
LESS = 0.9
assert max(TILES, HELD, WHOLE, *(s.m**2 for s in SCHEMES)) <= TABLE


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
    scheme: int
    side: int  # of a tile of outputs
    stride: int
    points: int
    values: int  # transformed taps of a filter
    groups: int  # address of (first, count) of each point's pairs of phases
    offsets: int  # of the pairs of phases in V, and of the values in U
    v_tile: int
    v_phase: int
    u_value: int
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
    rows, columns = (c.height + c.side - 1) // c.side, (c.width + c.side - 1) // c.side
    return t // (rows * columns), c.side * (t // columns % rows), c.side * (t % columns)


@njit(cache=True)
def _input(c, t, v):
    """V of one tile."""
    n, i, j = _place(c, t)
    x = c.x + n * c.x_image + c.stride * (i * c.x_row + j * c.x_pixel)
    transform_inputs(x, c.x_row, c.x_pixel, v, c.v_phase, c.channels // 16, c.scheme)


@njit(cache=True)
def output_tile(c, t, panel, m, table, slope):
    """The outputs of one tile and panel, finished; table (2, 16 or more)."""
    n, i, j = _place(c, t)
    shift = panel * LINE
    y = c.y + n * c.y_image + i * c.y_row + j * c.y_pixel
    r = c.r + n * c.r_image + i * c.r_row + j * c.r_pixel
    height, width = min(c.side, c.height - i), min(c.side, c.width - j)
    if c.code == BENT:
        other = r + shift if c.r else 0
        transform_outputs(
            m, y + shift, c.y_row, c.y_pixel, height, width, c.bias + shift,
            other, c.r_row, c.r_pixel, c.after, c.nowhere, slope, c.scheme,
        )  # fmt: skip
        return
    transform_outputs(
        m, y + shift, c.y_row, c.y_pixel, height, width, c.bias + shift, 0, 0, 0, 0, c.nowhere, np.float32(1), c.scheme
    )
    for k in range(height * width):
        table[0, k] = y + k // width * c.y_row + k % width * c.y_pixel
        table[1, k] = r + k // width * c.r_row + k % width * c.r_pixel
    residuals = address(table[1]) if c.r else 0
    finish(height * width, LINE, address(table[0]), shift, residuals, c.after, c.code, slope)


@njit(cache=True)
def _touch(c, t, panel):
    """Ask for where the outputs of a tile and panel go."""
    n, i, j = _place(c, t)
    y = c.y + n * c.y_image + i * c.y_row + j * c.y_pixel + panel * LINE
    height, width = min(c.side, c.height - i), min(c.side, c.width - j)
    touch(y, c.y_row, c.y_pixel, height, width, 1)
    if c.r:
        touch(c.r + n * c.r_image + i * c.r_row + j * c.r_pixel + panel * LINE, c.r_row, c.r_pixel, height, width, 0)


@njit(cache=True)
def row_tables(c, v, m, count, table):
    """The addresses of the rows of V, and of M, of some tiles."""
    for t in range(count):
        table[0, t] = v + t * c.v_tile
        table[1, t] = m + t * c.points * LINE


@njit(cache=True)
def multiply(c, count, table, u, channels, begin, ahead, more, panel, first):
    """M of some tiles, or what some channels add to it: the products at all points.

    Meanwhile ``more`` bytes from ``ahead`` on, the taps that come next, are on their way, and unless ``panel`` is
    negative the pixels that its outputs of the tiles from ``first`` on go to.
    """
    rows, outs, share = address(table[0]), address(table[1]), more // c.points
    for p in range(c.points):
        if AHEAD and more:
            fetch(ahead + p * share, share // 64)
        if panel >= 0:
            for t in range(p * count // c.points, (p + 1) * count // c.points):
                _touch(c, first + t, panel)
        one, many = read(c.groups + 16 * p), read(c.groups + 16 * p + 8)
        offsets = c.offsets + 16 * one
        step = read(offsets + 16 * many) - read(offsets) if p < c.points - 1 else 0
        product(
            count, LINE, rows, outs, p * LINE, u, offsets, many, channels, begin, np.float32(1),
            table[0, 0] + step, ROW_LINES * 64, ahead + p * share if more else u, share,
        )  # fmt: skip


@njit(cache=True)
def by_tiles(c, slope, private, table, counters, thread, threads):
    """A thread's share: all three steps, a block of tiles at a time."""
    tiles = c.stop - c.start
    blocks = (tiles + c.held * threads - 1) // (c.held * threads) * threads  # as many for each thread
    v, m = private, private + c.m
    while True:
        block = claim(counters, thread, threads, blocks)
        if block < 0:
            break
        start, stop = tiles * block // blocks, tiles * (block + 1) // blocks
        for t in range(start, stop):
            _input(c, t, v + (t - start) * c.v_tile)
        row_tables(c, v, m, stop - start, table)
        for panel in range(c.panels):
            u = c.filters + panel * c.values * c.u_value
            multiply(c, stop - start, table, u, c.channels, c.zeros, 0, 0, panel, start)
            for t in range(start, stop):
                output_tile(c, t, panel, m + (t - start) * c.points * LINE, table[2:], slope)


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
                    transform_filters(here, u, c.u_value, c.piece, c.scheme)
                row_tables(c, v + first * c.v_tile + piece * c.piece * 4, m, stop - first, table)
                begin = c.zeros if piece == 0 else 0
                multiply(
                    c, stop - first, table, u, c.piece, begin, here + taps, taps if pieces > 1 else 0,
                    panel if piece == pieces - 1 else -1, c.start + first,
                )  # fmt: skip
            for t in range(first, stop):
                output_tile(c, c.start + t, panel, m + (t - first) * c.points * LINE, table[2:], slope)


def odd(size: int) -> int:
    """So many bytes as an odd number of cache lines, so that equal distances do not fall in one set of the cache."""
    return (-(-size // 64) | 1) * 64


class PackedWinograd:
    """A 3 x 3 convolution of stride 1, one group, a multiple of sixteen channels, and more than sixteen filters."""

    name = "winograd"
    stride = 1

    def __init__(self, w: np.ndarray, bias: np.ndarray | None, geometry: Geometry, epilogue: Epilogue) -> None:
        self.filters, self.channels = w.shape[:2]
        self.geometry, self.epilogue = geometry, epilogue
        self.by_tiles = self.channels * self.filters <= FEW
        taps = w.transpose(1, 2, 3, 0)  # (C, 3, 3, O)
        if self.by_tiles:
            scheme = self.scheme((4, 4))
            u = np.einsum("ia,cabo,jb->ijco", scheme.taps, taps.astype(np.float64), scheme.taps, optimize=True)
            self.panels = panels(u.reshape(-1, *u.shape[2:]))  # (panels, values, C, COLUMNS)
        else:
            self.panels = panels(taps.reshape(self.channels, 9, self.filters))
        self.bias = padded(bias, self.filters)

    def scheme(self, out: tuple[int, int]) -> Scheme:
        """The scheme for so many outputs; one of 4 x 4 where U is made beforehand."""
        small, large = SCHEMES[2 * (self.stride - 1) :][:2]
        products = [len(s.phases) ** 2 * -(-out[0] // s.m) * -(-out[1] // s.m) for s in (small, large)]
        return large if not self.by_tiles and products[1] < LESS * products[0] else small

    @property
    def packed_bytes(self) -> int:
        """The memory of the packed filters."""
        return self.panels.nbytes + self.bias.nbytes

    def border(self, shape: tuple[int, int], out: tuple[int, int]) -> Border:
        """The zeros that are read around the input: those of whole tiles."""
        s, padding = self.scheme(out), self.geometry.padding
        read = [s.stride * s.m * (-(-n // s.m) - 1) + s.reach if n else 0 for n in out]
        return Border(*padding, *(max(0, r - p - n) for r, p, n in zip(read, padding, shape, strict=True)))

    def bind(self, x: Map, y: Map, residual: Map | None = None) -> list[Step]:
        """The convolution from ``x`` to ``y``; without another activation the residual may be ``y`` itself."""
        image, row, pixel = x.steps
        (ph, pw), C = self.geometry.padding, self.channels
        images, height, width, _ = y.data.shape
        s = self.scheme((height, width))
        tiles = images * -(-height // s.m) * -(-width // s.m)
        values, phases = len(s.taps) ** 2, len(s.phases) ** 2
        most = C if values * C * LINE <= TOGETHER else PIECE // (values * LINE)
        pieces = 1 if self.by_tiles else next(n for n in range(1, C + 1) if C % n == 0 and (C // n <= most or n == C))
        chunk = TILES if self.by_tiles else MOST if pieces == 1 else WHOLE
        chunks = max(1, -(-tiles // chunk))
        chunk = max(1, -(-tiles // chunks))
        held = chunk if self.by_tiles or pieces > 1 else min(chunk, HELD)
        v_tile = 4 * (C + 16)
        v_phase, u_value = odd(chunk * v_tile), C * LINE if self.by_tiles else odd(C // pieces * LINE)
        counts = [len(group) for group in s.groups]
        groups = np.array([np.cumsum([0, *counts[:-1]]), counts], np.int64).T.copy()
        value = [s.values[e] * len(s.taps) + s.values[f] for group in s.groups for e, f in group]
        offsets = np.array([np.arange(phases) * v_phase, np.array(value) * u_value], np.int64).T.copy()
        spare, m = aligned((2, COLUMNS)), phases * v_phase if self.by_tiles else values * u_value
        call = Call._make((
            x.address - ph * row - pw * pixel, image, row, pixel, *places(y, residual), images, height, width,
            C, len(self.panels), self.panels.ctypes.data, self.bias.ctypes.data, spare[0].ctypes.data,
            spare[1].ctypes.data, SCHEMES.index(s), s.m, s.stride, s.n**2, values, groups.ctypes.data,
            offsets.ctypes.data, v_tile, v_phase, u_value, C // pieces, held,
            self.epilogue.code, int(self.epilogue.after), 0, tiles, m,
        ))  # fmt: skip
        slope, kept = self.epilogue.bend, (self.panels, self.bias, groups, offsets, spare, x, y, residual)
        private = (m + held * s.n**2 * LINE) // 4
        if self.by_tiles:
            return [Step(BY_TILES, call, kept, slope, private)]
        steps = []
        for k in range(chunks):
            part = call._replace(start=tiles * k // chunks, stop=tiles * (k + 1) // chunks)
            steps.append(Step(INPUTS, part, kept, shared=phases * v_phase // 4))
            steps.append(Step(BY_FILTERS, part, kept, slope, private))
        return steps


class PackedPolyphase(PackedWinograd):
    """The same of stride 2, by its phases."""

    name = "polyphase"
    stride = 2
