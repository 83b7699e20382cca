"""Winograd's F(4 x 4, 3 x 3) by the packed kernels, for plain arrays, which are laid out at every call.

The kernels of ``packed`` are the fastest here, but want the channels last and the filters in panels.  Moving numbers to
where they are wanted takes a quarter of what the kernels save, if it is done by whole vectors (``transposed``) and the
threads are started once for everything.  They go together from stage to stage:

    0      x (N, C, H, W)  ->  a map (N, H, W, C) with its border of zeros
           few filters (O, C, 3, 3)  ->  their transforms (O / COLUMNS, 36, C, COLUMNS)
    1 ...  the steps of ``packed.winograd``, from that map to another (N, oh, ow, O)
    last   that map  ->  y (N, O, oh, ow)

Of many filters a thread lays out the taps of COLUMNS and some channels when it comes to them, so they stay in its
cache.  Nothing of the filters is kept that could be stale.  The maps are scratch memory; images are taken as many at a
time as fit in ``TOGETHER`` bytes of it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np
from numba import get_num_threads, njit, prange
from numba.np.unsafe.ndarray import to_fixed_tuple

from ..arrays import Array
from .geometry import IntOrPair, Pair, out_sizes, pair
from .packed import Epilogue, Geometry, Map, Step, whole
from .packed import winograd as packed
from .packed.maps import NONE, aligned
from .packed.pack import TABLE, address, padded
from .packed.program import _wait as meet
from .packed.schemes import SCHEMES, Scheme
from .packed.tiles import APART, COLUMNS, LINE, claim
from .packed.winograd import BY_FILTERS, BY_TILES, FEW, INPUTS, Call, PackedWinograd
from .packed.winograd_vectors import transform_filters
from .scratch import fresh, scratch
from .transposed import transpose
from .vectors import LANES

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: Bytes of maps at a time, unless one image has more; pixels that are moved at a time (measured).
TOGETHER, PIXELS = 2**24, 64

_FIELDS = len(Call._fields)


@njit(cache=True)
def _taps(w, p, d, count, taps):
    """Lay out ``count`` of the numbers of the p-th COLUMNS filters w (O, 9 C), from ``d`` on, as (count, COLUMNS)."""
    depth, filters = w.shape[1], min(COLUMNS, len(w) - p * COLUMNS)
    if filters < COLUMNS:
        taps[:count, filters:] = 0
    transpose(address(w) + 4 * (p * COLUMNS * depth + d), 4 * depth, filters, count, address(taps), LINE)


@njit(cache=True)
def _filters(w, transforms, taps, counters, thread, threads):
    """A thread's share of transforming the filters w (O, 9 C) to (O / COLUMNS, 36 C, COLUMNS), filled up with zeros."""
    C = w.shape[1] // 9
    parts = C // LANES
    while True:
        item = claim(counters, thread, threads, len(transforms) * parts)
        if item < 0:
            break
        p, c = item // parts, item % parts * LANES
        _taps(w, p, 9 * c, 9 * LANES, taps)
        transform_filters(address(taps), address(transforms[p]) + c * LINE, C * LINE, LANES, 0)


@njit(cache=True)
def _by_filters(c, w, taps, v, private, table, counters, thread, threads):
    """As ``packed.winograd.by_filters``, of filters w (O, 9 C) whose taps are laid out when their turn comes."""
    tiles, pieces = c.stop - c.start, c.channels // c.piece
    blocks, u, m = (tiles + c.held - 1) // c.held, private, private + c.m
    while True:
        panel = claim(counters, thread, threads, c.panels)
        if panel < 0:
            break
        for block in range(blocks):
            first, stop = tiles * block // blocks, tiles * (block + 1) // blocks
            for piece in range(pieces):
                if pieces > 1 or block == 0:
                    _taps(w, panel, piece * c.piece * 9, c.piece * 9, taps)
                    transform_filters(address(taps), u, c.u_value, c.piece, c.scheme)
                packed.row_tables(c, v + first * c.v_tile + piece * c.piece * 4, m, stop - first, table)
                packed.multiply(
                    c, stop - first, table, u, c.piece, c.zeros if piece == 0 else 0, 0, 0,
                    panel if piece == pieces - 1 else -1, c.start + first,
                )  # fmt: skip
            for t in range(first, stop):
                packed.output_tile(c, c.start + t, panel, m + (t - first) * c.points * LINE, table[2:], np.float32(1))


@njit(cache=True)
def _to_map(x, y, border, counters, thread, threads):
    """A thread's share of laying out x (N, C, H, W) as y (N, top + H + bottom, left + W + right, C), among zeros."""
    (N, C, H, W), (top, left, bottom, right) = x.shape, border
    rows, row = top + H + bottom, (left + W + right) * C
    while True:
        item = claim(counters, thread, threads, N * rows)
        if item < 0:
            break
        n, i = item // rows, item % rows - top
        line = y[item * row : (item + 1) * row]
        if i < 0 or i >= H:
            line[:] = 0
            continue
        line[: left * C] = 0
        line[(left + W) * C :] = 0
        for c in range(0, C, LANES):
            transpose(address(x[n, c, i]), 4 * H * W, LANES, W, address(line) + 4 * (left * C + c), 4 * C)


@njit(cache=True)
def _from_map(x, width, y, counters, thread, threads):
    """A thread's share of laying out x (N, oh, ow, width) as y (N, O, oh, ow)."""
    N, O, oh, ow = y.shape
    pixels = oh * ow
    parts = (pixels + PIXELS - 1) // PIXELS
    while True:
        item = claim(counters, thread, threads, N * parts)
        if item < 0:
            break
        n, p = item // parts, item % parts * PIXELS
        for o in range(0, O, LANES):
            start, end = address(x) + 4 * ((n * pixels + p) * width + o), address(y[n, o]) + 4 * p
            transpose(start, 4 * width, min(PIXELS, pixels - p), min(LANES, O - o), end, 4 * pixels)


@njit(cache=True, parallel=True)
def _perform(
    first, last, again, w, transforms, taps, x, inputs, border, kinds, rows, shared, private, table, counters, meeting,
    outputs, width, y,
):  # fmt: skip
    """The stages from ``first`` to ``last``, on all threads; counters (stages and one more, numbers).

    ``again``: of other images, so that the transforms of the filters are there.  taps (threads, numbers, COLUMNS),
    private (threads, numbers), table (threads, 4, TABLE).
    """
    threads = len(private)
    for thread in prange(threads):
        mine = address(private[thread])
        for stage in range(first, last):
            count = address(counters[stage])
            if stage == 0:
                _to_map(x, inputs, border, count, thread, threads)
                if kinds[0] == BY_TILES and not again:
                    _filters(w, transforms, taps[thread], address(counters[len(counters) - 1]), thread, threads)
            elif stage > len(kinds):
                _from_map(outputs, width, y, count, thread, threads)
            else:
                call = Call(*to_fixed_tuple(rows[stage - 1], _FIELDS))
                if kinds[stage - 1] == INPUTS:
                    packed.inputs(call, shared, thread, threads)
                elif kinds[stage - 1] == BY_FILTERS:
                    _by_filters(call, w, taps[thread], shared, mine, table[thread], count, thread, threads)
                elif kinds[stage - 1] == BY_TILES:
                    packed.by_tiles(call, np.float32(1), mine, table[thread], count, thread, threads)
            if stage < last - 1:
                meet(address(meeting), (stage - first + 1) * threads)


class _Laid(PackedWinograd):
    """A packed Winograd convolution without its filters, which are laid out elsewhere at every call."""

    def __init__(self, filters: int, channels: int, padding: Pair) -> None:
        self.filters, self.channels = filters, channels
        self.geometry, self.epilogue = Geometry((3, 3), padding=padding), Epilogue()
        self.by_tiles = channels * filters <= FEW
        self.panels = _nothing((whole(filters) // COLUMNS, 36 * channels, COLUMNS))
        self.bias = padded(None, filters)

    def scheme(self, out: Pair) -> Scheme:
        """That of 4 x 4, which rounds less."""
        return SCHEMES[0]


def _nothing(shape: tuple[int, ...]) -> Array:
    """An array of this shape that takes no memory and must not be looked at."""
    strides = [4 * math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), shape, strides, writeable=False)


class _Bound:
    """What follows from shapes alone: the steps between two maps, with addresses that are still to be set."""

    def __init__(self, shape: tuple[int, ...], filters: int, padding: Pair) -> None:
        images, channels, height, width = shape
        conv, out = _Laid(filters, channels, padding), out_sizes(shape, (filters, channels, 3, 3), 1, padding, 1)
        self.transforms = conv.panels.shape if conv.by_tiles else (0, 0, COLUMNS)
        self.border = conv.border((height, width), out)
        self.inputs = (images, *(n + b for n, b in zip((height, width), self._both, strict=True)), channels)
        self.outputs = (images, *out, whole(filters))
        source = Map(_nothing(self.inputs), self.border, channels, self.inner)
        target = Map(_nothing(self.outputs), NONE, whole(filters), 0)
        self.steps: list[Step] = conv.bind(source, target)
        self.kinds = np.array([step.kind for step in self.steps], np.int64)
        self.rows = np.array([step.row for step in self.steps], np.int64)
        self.rows[:, [Call._fields.index(name) for name in ("filters", "bias")]] = 0
        self.private = max(step.private for step in self.steps)
        self.shared = max(step.shared for step in self.steps)
        self.taps = 9 * (LANES if conv.by_tiles else int(self.rows[-1, Call._fields.index("piece")]))

    @property
    def _both(self) -> Pair:
        return self.border.top + self.border.bottom, self.border.left + self.border.right

    @property
    def inner(self) -> int:
        """Where the first pixel lies in the map of inputs, in bytes."""
        return 4 * self.inputs[3] * (self.border.top * self.inputs[2] + self.border.left)

    def addressed(self, **places: Array) -> Array:
        """The rows of the steps for these places."""
        rows = self.rows.copy()
        for name, array in places.items():
            rows[:, Call._fields.index(name)] += array.ctypes.data
        return rows


_bound = lru_cache(maxsize=64)(_Bound)


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """See ``minidet_kernels.convolution.conv2d``."""
    (N, C, H, W), O, p = x.shape, len(w), pair(padding)
    y = fresh((N, O, *out_sizes(x.shape, w.shape, 1, p, 1)))
    if not y.size:
        return y
    x, w, start = _ready(x), _ready(w).reshape(O, 9 * C), padded(bias, O)
    one = _bound((1, C, H, W), O, p)
    step = max(1, min(N, TOGETHER // (4 * (math.prod(one.inputs) + math.prod(one.outputs)))))
    transforms, threads = aligned(one.transforms, "transforms of filters"), get_num_threads()
    taps = aligned((threads, one.taps, COLUMNS), "taps of filters")
    tables = scratch("tables", (threads, 4, 2 * TABLE)).view(np.int64)
    for n in range(0, N, step):
        some = _bound((min(step, N - n), C, H, W), O, p)
        inputs, outputs = aligned((math.prod(some.inputs),), "inputs"), aligned((math.prod(some.outputs),), "outputs")
        shared, private = aligned((some.shared,), "shared"), aligned((threads, -(-some.private // 16) * 16), "private")
        rows = some.addressed(x=inputs, y=outputs, filters=transforms, bias=start)
        stages = len(rows) + 2
        counters = scratch("counters", (stages + 2, threads, 2 * APART)).view(np.int64).reshape(stages + 2, -1)
        counters[...] = 0
        # the threads have to be there all at once, which TBB does not promise
        together = stages if numba.threading_layer() != "tbb" else 1
        for first in range(0, stages, together):
            _perform(
                first, min(stages, first + together), n > 0, w, transforms, taps, x[n : n + step], inputs, some.border,
                some.kinds, rows, shared.ctypes.data, private, tables, counters[:-1], counters[-1],
                outputs, some.outputs[3], y[n : n + step],
            )  # fmt: skip
    return y


def _ready(a: Array) -> Array:
    """C-contiguous, aligned and writeable: anything else is another type to Numba, compiled for anew."""
    return a if a.flags.carray else np.array(a, order="C")
