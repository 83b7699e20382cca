"""Launchers of Winograd's convolution in float32: four kernels one after the other, for as many images as fit.

The inputs at n^2 points and their products are n^2 / m^2 as large as the maps: 4 times for F(2 x 2), 2.25 times for
F(4 x 4). So images are taken so many at a time that both stay below ``BUFFER`` bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import backward, forward
from .cuda_limits import takes, takes_grad_x
from .cuda_registers import FLAT, HALF, LARGE, SMALL, Tile, choose
from .geometry import IntOrPair, out_sizes
from .limits import float32_three_by_three_grad_x, three_by_three

#: About how many bytes of inputs at n^2 points and of their products to have at a time.
BUFFER = 2**29


def _source(file: str, kernel: str, instances: list[str]) -> Source:
    return Source(__file__, file, fused=True, instances=[f"{kernel}<{instance}>" for instance in instances])


FILTERS = _source("winograd_filters.cu", "winograd_filters", ["2", "4"])
INPUTS = _source("winograd_inputs.cu", "winograd_inputs", ["2", "4"])
PRODUCTS = _source(
    "winograd_products.cu", "winograd_products", [", ".join(map(str, tile)) for tile in (LARGE, HALF, FLAT, SMALL)]
)
OUTPUTS = _source("winograd_outputs.cu", "winograd_outputs", ["2", "4"])


def limits(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why the kernels refuse a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    return three_by_three(x, w, **options) or takes(x, w, **options)


def limits_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return float32_three_by_three_grad_x(g, w, shape=shape, **options) or takes_grad_x(g, w, shape=shape, **options)


def loses(m: int, images: int, channels: int, filters: int, oh: int, ow: int) -> str | None:
    """Where the products saved take less time than the numbers moved, by an H200's limits (counted, not measured).

    A tile saves ``9 m^2 - n^2`` of ``9 m^2`` products of a channel and a filter, unless it reaches beyond the map; and
    writes and reads n^2 numbers of each channel and of each filter, besides n^2 of each pair for the filters.
    """
    tiles, points = images * cover(oh, m) * cover(ow, m), (m + 2) ** 2
    saved = (9 * images * oh * ow - points * tiles) * channels * filters / 33.5e12
    moved = 8 * points * (tiles * (channels + filters) + channels * filters) / 4.3e12
    if saved > moved:
        return None
    return f"saves {1e6 * saved:.3g} us of products and moves numbers for {1e6 * moved:.3g} us, by count"


def loses_f2(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Where F(2 x 2) is the slower choice."""
    return loses(2, len(x), w.shape[1], len(w), *out_sizes(x.shape, w.shape, 1, options.get("padding", 0), 1))


def loses_f4(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Where F(4 x 4) is the slower choice."""
    return loses(4, len(x), w.shape[1], len(w), *out_sizes(x.shape, w.shape, 1, options.get("padding", 0), 1))


def loses_grad_x_f4(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    return loses(4, shape[0], len(w), w.shape[1], *shape[2:])


def convolve(
    m: int, x: Array, w: Array, bias: Array | None, residual: Array | None, y: Array, p: Any, end: np.ndarray
) -> Array:
    """Fill ``y`` by the sums of ``p`` (3 x 3, stride 1), with what comes after them."""
    if not y.size:
        return y
    xp, points = namespace(x), (m + 2) ** 2
    channels, filters, rows, columns = (int(p[name]) for name in ("channels", "filters", "rows", "columns"))
    down, across = cover(rows, m), cover(columns, m)
    most = max(1, BUFFER // (4 * points * (channels + filters) * down * across))
    tile = choose(filters, min(most, len(y)) * down * across, points)
    U, deep, high = _filters(m, w, p, tile)
    x, residual = dense(x), None if residual is None else dense(residual)
    bias = None if bias is None else dense(bias)
    for first in range(0, len(y), most):
        part, part_of_it = slice(first, first + most), p.copy()
        part_of_it["images"] = images = len(y[part])
        wide = cover(images * down * across, tile.BN) * tile.BN
        V, products = xp.empty((points, deep, wide), x.dtype), xp.empty((points, filters, wide), x.dtype)
        sides = (i4(down), i4(across))
        tiles = (x[part], V, i4(deep), i4(wide), *sides, part_of_it)
        INPUTS(f"winograd_inputs<{m}>", (wide // 64, deep), 64, tiles)
        name, blocks = f"winograd_products<{', '.join(map(str, tile))}>", high // tile.BM * (wide // tile.BN)
        sized = (i4(deep), i4(high), i4(wide), i4(filters))
        PRODUCTS(name, (blocks, 1, points), tile.threads, (U, V, products, *sized))
        more = None if residual is None else residual[part]
        given = (products, bias, more, y[part], i4(wide), *sides, part_of_it, end)
        OUTPUTS(f"winograd_outputs<{m}>", (cover(images * down * across, 64), filters), 64, given)
    return y


def _filters(m: int, w: Array, p: Any, tile: Tile) -> tuple[Array, int, int]:
    deep, high = cover(int(p["channels"]), tile.BK) * tile.BK, cover(int(p["filters"]), tile.BM) * tile.BM
    U = namespace(w).empty(((m + 2) ** 2, deep, high), w.dtype)
    FILTERS(f"winograd_filters<{m}>", (high // 32, deep // 8), (32, 8), (dense(w), U, i4(deep), i4(high), p))
    return U, deep, high


def _forward(
    m: int, x: Array, w: Array, bias: Array | None, residual: Array | None, end: np.ndarray, padding: IntOrPair
) -> Array:
    p = forward(x.shape, w.shape, padding=padding)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    return convolve(m, x, w, bias, residual, y, p, end)


def conv2d_f2(x: Array, w: Array, bias: Array | None = None, *, padding: IntOrPair = 0, **_: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by F(2 x 2, 3 x 3)."""
    return _forward(2, x, w, bias, None, NOTHING, padding)


def conv2d_f4(x: Array, w: Array, bias: Array | None = None, *, padding: IntOrPair = 0, **_: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by F(4 x 4, 3 x 3)."""
    return _forward(4, x, w, bias, None, NOTHING, padding)


def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    padding: IntOrPair = 0,
    **_: Any,
) -> Array:
    """`minidet_kernels.convolution.conv2d_fused` by F(4 x 4, 3 x 3)."""
    return _forward(4, x, w, bias, residual, epilogue(activation, slope, order), padding)


def conv2d_grad_x(g: Array, w: Array, *, shape: Shape, padding: IntOrPair = 0, **_: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by F(4 x 4, 3 x 3): the convolution by the filters turned around."""
    gx = namespace(g).empty(tuple(shape), g.dtype)
    every = list(backward(shape, w.shape, padding=padding)) if gx.size else []
    return convolve(4, g, w, None, None, gx, every[0], NOTHING) if every else gx
