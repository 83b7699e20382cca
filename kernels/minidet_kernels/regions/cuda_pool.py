"""Launchers of RoIPool's CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .cuda_limits import fits
from .cuda_runs import RUNS, C, back
from .geometry import Pair, pair

TILE = 128
#: Channels that a thread works on, at least, where there are enough.
CHANNELS = 8
POOL = Source(
    __file__, "roi_pool.cu", TILE=TILE, instances=[f"roi_pool<{t}, {r}>" for t in C.values() for r in C.values()]
)
HOW = np.dtype([("scale", "f8"), ("half_even", "i4"), ("inclusive", "i4"), ("rounded", "i4"), ("unused", "i4")])


def takes(x: Array, rois: Array, *, output_size: Pair, **options: Any) -> str | None:
    """Why ``roi_pool.cu`` refuses, or ``None``."""
    oh, ow = pair(output_size)
    return fits(x, len(rois) * x.shape[1] * oh * ow)


def takes_grad(g: Array, index: Array, rois: Array, *, shape: Sequence[int]) -> str | None:
    """Why ``runs.cu`` refuses, or ``None``."""
    return fits(g, int(np.prod(shape)))


def roi_pool(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    rounding: str = "half_away",
    end: str = "inclusive",
    bins: str = "exact",
    inverted: str = "keep",
) -> tuple[Array, Array]:
    """As ``minidet_kernels.roi_pool`` by ``roi_pool.cu``: the same bits."""
    xp, (oh, ow), (c, H, W), K = namespace(x), pair(output_size), x.shape[1:], len(rois)
    y, index = (xp.empty((K, c, oh, ow), dtype) for dtype in (x.dtype, xp.int64))
    how = np.array((spatial_scale, rounding == "half_even", end == "inclusive", bins == "rounded", 0), HOW)[()]
    args = (dense(x), dense(rois, 8), y, index, *map(i4, (K, c, H, W, oh, ow)), how)
    grid = (cover(K * oh * ow, TILE), min(cover(c, CHANNELS), 65535))
    POOL(f"roi_pool<{C[x.dtype.char]}, {C[rois.dtype.char]}>", grid, TILE, args)
    return y, index


def roi_pool_grad_x(g: Array, index: Array, rois: Array, *, shape: Sequence[int]) -> Array:
    """As ``minidet_kernels.roi_pool_grad_x`` by ``runs.cu``, summed in the dtype of ``g``, in the regions' order."""
    K, c, oh, ow = g.shape
    entries, places = (dense(a, 8).reshape(K, c, oh * ow) for a in (g, index))
    return back(RUNS, entries, places, dense(rois.astype(np.float64), 8), shape)
