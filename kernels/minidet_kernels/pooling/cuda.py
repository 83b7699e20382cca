"""Launchers of the pooling room's CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4, too_large
from .windows import Axis, Pair, axes, pair

TILE, ROWS, WARPS = 128, 16, 8
BACK_WARPS, CELLS = 4, 1024
#: Planes that a thread works on, at least, where there are enough.
PLANES = 8
#: Shared memory of a block that every GPU gives without being asked.
SHARED = 48 << 10
C = {"f": "float", "d": "double"}
WINDOWS = np.dtype([(name, "i4") for name in Axis._fields])


def _each(*kernels: str) -> list[str]:
    return [f"{kernel}<{t}>" for kernel in kernels for t in C.values()]


MAX = Source(__file__, "max_pool.cu", TILE=TILE, instances=_each("max_pool"))
TILED = Source(__file__, "max_pool_tiled.cu", ROWS=ROWS, WARPS=WARPS, instances=_each("max_pool_tiled"))
BACK = Source(__file__, "max_pool_back.cu", WARPS=BACK_WARPS, CELLS=CELLS, instances=_each("max_pool_back"))
AVG = Source(__file__, "avg_pool.cu", TILE=TILE, instances=_each("avg_pool", "avg_pool_back"))


def _window(axis: Axis) -> Any:
    """An axis as the kernels' struct ``Windows``."""
    return np.array(tuple(axis), WINDOWS)[()]


def _fits(x: Array, stride: Pair | None = None, padding: Pair | None = None, **options: Any) -> str | None:
    return too_large(x=x.size)


def takes_max(x: Array, **options: Any) -> str | None:
    """Why ``max_pool.cu`` refuses, or ``None``."""
    return _fits(x)


def _tile(rows: Axis, columns: Axis, itemsize: int) -> tuple[int, int, int]:
    """Height and width of the inputs of a tile, and the shared memory that they take with what becomes of them."""
    height, width = ((out - 1) * v.stride + v.size for out, v in ((ROWS, rows), (32, columns)))
    return height, width, height * ((width + 32) * itemsize + 32 * 4)


def takes_tiles(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> str | None:
    """Why ``max_pool_tiled.cu`` refuses, or ``None``."""
    need = _tile(*axes(x.shape, size, stride, padding, convention), x.itemsize)[2]
    if need > SHARED:
        return f"takes windows whose tiles fit in {SHARED} bytes of shared memory, not {need}"
    return _fits(x)


def doubts_overlap(x: Array, *, size: Pair, stride: Pair | None = None, **options: Any) -> str | None:
    """Why ``max_pool_tiled.cu`` is not the one to choose, or ``None``."""
    (kh, kw), (sh, sw) = pair(size), pair(size if stride is None else stride)
    if kh > sh and kw > sw and kh * kw > 4:
        return None
    return f"it pays for windows that overlap both ways, of more than 4 elements, not {kh} x {kw} by {sh} x {sw}"


def takes_max_grad(g: Array, index: Array, *, shape: Sequence[int]) -> str | None:
    """Why ``max_pool_back.cu`` refuses, or ``None``."""
    return too_large(g=g.size, x=int(np.prod(shape)))


def takes_avg(x: Array, **options: Any) -> str | None:
    """Why ``avg_pool.cu`` refuses, or ``None``."""
    return _fits(x)


def takes_avg_grad(g: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    """Why the gradient by ``avg_pool.cu`` refuses, or ``None``."""
    return too_large(g=g.size, x=int(np.prod(shape)))


def _planes(planes: int) -> int:
    return min(cover(planes, PLANES), 65535)


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d`` by ``max_pool.cu``: the same bits."""
    xp, (N, c, _, _), (rows, columns) = namespace(x), x.shape, axes(x.shape, size, stride, padding, convention)
    y, index = (xp.empty((N, c, rows.out, columns.out), dtype) for dtype in (x.dtype, xp.int64))
    grid = (cover(rows.out * columns.out, TILE), _planes(N * c))
    args = (dense(x), y, index, i4(N * c), _window(rows), _window(columns))
    MAX(f"max_pool<{C[x.dtype.char]}>", grid, TILE, args)
    return y, index


def max_pool2d_tiled(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """As ``minidet_kernels.max_pool2d`` by ``max_pool_tiled.cu``: the same bits."""
    xp, (N, c, _, _), (rows, columns) = namespace(x), x.shape, axes(x.shape, size, stride, padding, convention)
    y, index = (xp.empty((N, c, rows.out, columns.out), dtype) for dtype in (x.dtype, xp.int64))
    height, width, shared = _tile(rows, columns, x.itemsize)
    grid = (cover(columns.out, 32), cover(rows.out, ROWS), min(N * c, 65535))
    args = (dense(x), y, index, i4(N * c), _window(rows), _window(columns), i4(height), i4(width))
    TILED(f"max_pool_tiled<{C[x.dtype.char]}>", grid, (32, WARPS), args, shared=shared)
    return y, index


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.max_pool2d_grad_x`` by ``max_pool_back.cu``, summed in the order of the windows."""
    xp, (N, c, H, W), (oh, ow) = namespace(g), map(int, shape), g.shape[2:]
    planes = N * c
    gx, spans, index = xp.empty((N, c, H, W), g.dtype), xp.empty((planes * oh, 2), xp.int32), dense(index, 8)
    width = min(W, CELLS)
    height = min(CELLS // width, H)
    down, across = cover(H, height), cover(W, width)
    block = (32, BACK_WARPS)
    BACK("max_pool_spans", cover(planes * oh, BACK_WARPS), block, (index, spans, i4(planes * oh), i4(ow), i4(W)))
    sizes = map(i4, (planes, H, W, oh, ow, height, width, down, across))
    args = (dense(g), index, spans, gx, *sizes)
    BACK(f"max_pool_back<{C[g.dtype.char]}>", cover(planes * down * across, BACK_WARPS), block, args)
    return gx


def avg_pool2d(
    x: Array,
    *,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """As ``minidet_kernels.avg_pool2d`` by ``avg_pool.cu``, summed in the dtype of ``x``."""
    (N, c, _, _), (rows, columns) = x.shape, axes(x.shape, size, stride, padding, convention)
    y = namespace(x).empty((N, c, rows.out, columns.out), x.dtype)
    grid = (cover(rows.out * columns.out, TILE), _planes(N * c))
    args = (dense(x), y, i4(N * c), _window(rows), _window(columns), np.bool_(count_include_pad))
    AVG(f"avg_pool<{C[x.dtype.char]}>", grid, TILE, args)
    return y


def avg_pool2d_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """As ``minidet_kernels.avg_pool2d_grad_x`` by ``avg_pool.cu``: each element gathers from its windows, in order."""
    (N, c, H, W), (rows, columns) = map(int, shape), axes(shape, size, stride, padding, convention)
    gx = namespace(g).empty((N, c, H, W), g.dtype)
    grid = (cover(H * W, TILE), _planes(N * c))
    args = (dense(g), gx, i4(N * c), _window(rows), _window(columns), np.bool_(count_include_pad))
    AVG(f"avg_pool_back<{C[g.dtype.char]}>", grid, TILE, args)
    return gx
