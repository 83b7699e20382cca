"""Launchers of the kernels that RoIAlign's mean and crop_and_resize share: sums of rows and of columns.

``by`` are the ``sources`` of RoIAlign or of crop_and_resize, ``how`` is its struct of conventions, and ``regions``
(K, 5), float64, are image x1 y1 x2 y2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .cuda_limits import shared

WARPS, GROUPS = 8, 4
BATCH, SIDE = 4, 16
TILE, CHANNELS = 128, 8
C = {"f": "float", "d": "double"}
Sources = dict[str, Source]


LAST = Source(__file__, "channels_last.cu", instances=[f"channels_last<{t}>" for t in C.values()])
TILES = Source(__file__, "tiles.cu", BATCH=BATCH, instances=[f"regions_tiles<{t}>" for t in C.values()])


def sources(kind: str) -> Sources:
    """The sources of one kind of region, ``"Align"`` or ``"Crop"``."""

    def each(file: str, kernel: str, **macros: Any) -> Source:
        return Source(__file__, file, instances=[f"{kernel}<{t}>" for t in C.values()], KIND=kind, **macros)

    return {
        "last": LAST,
        "forward": each("channels.cu", "regions_forward", WARPS=WARPS, GROUPS=GROUPS),
        "shares": each("shares.cu", "regions_shares", WARPS=WARPS),
        "tiles": TILES,
        "pixels": each("pixels.cu", "regions_pixels", TILE=TILE, CHANNELS=CHANNELS),
    }


def channels_last(x: Array) -> Array:
    """A copy of ``x`` (P, C, h, w) as (P, h, w, C)."""
    P, c, h, w = x.shape
    y = namespace(x).empty((P, h, w, c), x.dtype)
    grid = (cover(h * w, 32), cover(c, 32), min(P, 65535))
    LAST(f"channels_last<{C[x.dtype.char]}>", grid, (32, 8), (dense(x), y, i4(P), i4(c), i4(h * w)))
    return y


def forward(by: Sources, x: Array, regions: Array, out: tuple[int, int], how: Any, nothing: float) -> Array:
    """The outputs (K, C, oh, ow) by ``channels.cu``."""
    (c, H, W), (oh, ow) = x.shape[1:], out
    y = namespace(x).empty((len(regions), c, oh, ow), x.dtype)
    grid = (len(regions), cover(c, 32 * GROUPS))
    args = (channels_last(x), regions, y, *map(i4, (c, H, W, oh, ow)), how, x.dtype.type(nothing))
    by["forward"](f"regions_forward<{C[x.dtype.char]}>", grid, (32, WARPS), args, shared=shared(x, out))
    return y


def backward(by: Sources, g: Array, regions: Array, shape: Sequence[int], how: Any) -> Array:
    """The gradient (N, C, H, W) by ``shares.cu`` and ``tiles.cu``."""
    xp, (N, c, H, W), (K, _, oh, ow), t = namespace(g), map(int, shape), g.shape, C[g.dtype.char]
    gx, boxes, spans = xp.empty((N, c, H, W), g.dtype), xp.empty((K, 5), xp.int32), xp.empty((K, oh + ow, 4), xp.int32)
    shares = xp.empty((K, H + W + 3 * (oh + ow)), g.dtype)
    args = (regions, spans, shares, boxes, *map(i4, (H, W, oh, ow)), how)
    by["shares"](f"regions_shares<{t}>", K, (32, WARPS), args)
    grid = (cover(W, SIDE), cover(H, SIDE), N * cover(c, 64))
    sizes = map(i4, (K, c, H, W, oh, ow))
    by["tiles"](f"regions_tiles<{t}>", grid, (32, 16), (channels_last(g), spans, shares, boxes, gx, *sizes))
    return gx


def pixels(by: Sources, g: Array, regions: Array, shape: Sequence[int], how: Any) -> Array:
    """The gradient (N, C, H, W) by ``pixels.cu``."""
    (N, c, H, W), (K, _, oh, ow) = map(int, shape), g.shape
    gx = namespace(g).empty((N, c, H, W), g.dtype)
    grid = (cover(H * W, TILE), cover(c, CHANNELS), N)
    args = (dense(g), regions, gx, *map(i4, (K, c, H, W, oh, ow)), how)
    by["pixels"](f"regions_pixels<{C[g.dtype.char]}>", grid, TILE, args)
    return gx
