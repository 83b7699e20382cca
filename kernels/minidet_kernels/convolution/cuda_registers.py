"""Launchers of the third rung: tiles in registers; forward, fused, and the gradient of the input."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import backward, forward, sizes


class Tile(NamedTuple):
    """``RegisterTile``: ``BM`` filters by ``BN`` places, ``BK`` terms a step, ``TM`` x ``TN`` in each thread."""

    BM: int
    BN: int
    BK: int
    TM: int
    TN: int

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.BM * self.BN // (self.TM * self.TN)


LARGE, HALF, FLAT, SMALL = (
    Tile(128, 128, 8, 8, 8),
    Tile(64, 128, 8, 8, 8),
    Tile(32, 128, 16, 4, 8),
    Tile(64, 64, 16, 8, 4),
)
#: So many blocks keep a large GPU (132 multiprocessors) busy: with fewer, tiles are smaller, then sums are split.
ENOUGH = 264
#: A split has at least so many terms, and there are at most so many splits.
LEAST, MOST = 256, 16


def _instance(kernel: str, tile: Tile, fused: bool) -> str:
    return f"{kernel}<{', '.join(map(str, tile))}, {str(fused).lower()}>"


def _source(kernel: str, file: str) -> Source:
    every = [_instance(kernel, tile, fused) for tile in (LARGE, HALF, FLAT, SMALL) for fused in (False, True)]
    return Source(__file__, file, fused=True, instances=every)


REGISTERS = _source("conv2d_registers", "registers.cu")
POINTWISE = _source("conv2d_pointwise", "pointwise.cu")
PACK = Source(__file__, "pack_filters.cu", fused=True)
SUM = Source(__file__, "sum_splits.cu", fused=True, TILE=256)

#: The kernels' ``Odometer``.
ODOMETER = np.dtype([(name, np.int32) for name in ("terms", "at", "u", "v", "past_v", "past_u")])


def choose(filters: int, places: int, groups: int) -> Tile:
    """The largest tile that is not mostly empty, or of which there are too few."""
    if filters <= FLAT.BM:
        return FLAT
    tile = HALF if filters <= HALF.BM else LARGE
    return tile if blocks(tile, filters, places) * groups >= ENOUGH else SMALL


def blocks(tile: Tile, filters: int, places: int) -> int:
    """How many tiles a group's matrix is."""
    return cover(filters, tile.BM) * cover(places, tile.BN)


def splits(there: int, terms: int) -> int:
    """Into how many pieces sums of so many terms are cut, where there are so many blocks without."""
    return max(1, min(ENOUGH // max(1, there), terms // LEAST, MOST))


def odometer(p: Any, rows: int) -> np.ndarray:
    """How the tap of a term changes ``rows`` terms later."""
    kh, kw, H, W, tap_h, tap_w = (int(p[name]) for name in ("kh", "kw", "H", "W", "tap_h", "tap_w"))
    dc, du, dv = rows // (kh * kw), rows % (kh * kw) // kw, rows % kw
    at = (dc * H + du * tap_h) * W + dv * tap_w
    past_v, past_u = tap_h * W - kw * tap_w, (H - kh * tap_h) * W
    return np.array((sizes(p).terms, at, du, dv, past_v, past_u), ODOMETER)


def pack(w: Array, p: Any, tile: Tile) -> Array:
    """The filters of ``p``, (groups, deep, high), in whole tiles."""
    groups, filters, terms, _ = sizes(p)
    deep, high = cover(terms, tile.BK) * tile.BK, cover(filters, tile.BM) * tile.BM
    packed = namespace(w).empty((groups, deep, high), w.dtype)
    PACK("conv2d_pack_filters", (deep // 8, high // 32, groups), (32, 8), (w, packed, i4(deep), i4(high), p))
    return packed


def run(
    x: Array,
    w: Array,
    bias: Array | None,
    residual: Array | None,
    y: Array,
    all_of_it: list[Any],
    end: np.ndarray | None = None,
    pointwise: bool = False,
) -> Array:
    """Fill ``y`` by the sums of every ``Gather``, with what comes after them."""
    groups, filters, terms, places = sizes(all_of_it[0])
    tile = choose(filters, places, groups)
    pieces = splits(blocks(tile, filters, places) * groups * len(all_of_it), terms)
    x, w = dense(x, 16), dense(w)
    bias, residual = (None if a is None else dense(a) for a in (bias, residual))
    into, after = y, (bias, residual)
    if pieces > 1:
        into, after = namespace(x).empty((pieces, y.size), y.dtype), (None, None)
    for p in all_of_it:
        packed, count = pack(w, p, tile), blocks(tile, filters, sizes(p).places)
        deep, high = packed.shape[1:]
        given = (x, packed, *after, into, i4(deep), i4(high), i4(cover(deep // tile.BK, pieces)), p)
        fused = end is not None and pieces == 1
        last = end if fused else NOTHING
        if pointwise:
            name = _instance("conv2d_pointwise", tile, fused)
            POINTWISE(name, (count, pieces, groups), tile.threads, (*given, last))
        else:
            name, step = _instance("conv2d_registers", tile, fused), odometer(p, tile.threads // (tile.BN // 4))
            REGISTERS(name, (count, pieces, groups), tile.threads, (*given, step, last))
    if pieces > 1:
        sized = (i4(pieces), i4(y.size), i4(y.shape[1]), i4(y.shape[2] * y.shape[3]), NOTHING if end is None else end)
        SUM("conv2d_sum_splits", cover(y.size, 256), 256, (into, bias, residual, y, *sized))
    return y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``registers.cu``."""
    p = forward(x.shape, w.shape, **options)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    return run(x, w, bias, None, y, [p])


def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    **options: Any,
) -> Array:
    """`minidet_kernels.convolution.conv2d_fused` by ``registers.cu``, all of it while the sums are in registers."""
    p = forward(x.shape, w.shape, **options)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    return run(x, w, bias, residual, y, [p], epilogue(activation, slope, order))


def conv2d_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``registers.cu``."""
    gx = namespace(g).empty(tuple(shape), g.dtype)
    return run(g, w, None, None, gx, list(backward(shape, w.shape, **options))) if gx.size else gx
