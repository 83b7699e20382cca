"""Launchers of RoIAlign's CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4, too_large
from .check import mean_only, mean_only_grad
from .cuda_limits import fits, wide
from .cuda_runs import RUNS, back
from .cuda_sums import C, backward, forward, pixels, sources
from .geometry import OUTSIDE, Pair, pair

TILE = 128
ALIGN = Source(
    __file__,
    "roi_align.cu",
    TILE=TILE,
    instances=[f"{kernel}<{t}>" for kernel in ("roi_align", "roi_align_winner") for t in C.values()],
)
SUMS = sources("Align")
HOW = np.dtype([("scale", "f8"), ("offset", "f8"), ("least", "f8"), ("ratio", "i4"), ("outside", "i4")])


def how(
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    **_: Any,
) -> Any:
    """The conventions of RoIAlign as the kernels' ``Align``, a struct."""
    least = (-np.inf if aligned else 1.0) if min_size is None else min_size
    numbers = (spatial_scale, 0.5 if aligned else 0.0, least, max(sampling_ratio, 0), OUTSIDE.index(outside))
    return np.array(numbers, HOW)[()]


def _mode(mode: str, max_of: str) -> np.int32:
    return i4(0 if mode == "avg" else 1 if max_of == "samples" else 2)


def takes(x: Array, rois: Array, *, output_size: Pair, **options: Any) -> str | None:
    """Why ``roi_align.cu`` refuses, or ``None``."""
    oh, ow = pair(output_size)
    return fits(x, len(rois) * x.shape[1] * oh * ow)


def takes_channels(x: Array, rois: Array, *, output_size: Pair, mode: str = "avg", **options: Any) -> str | None:
    """Why ``channels.cu`` refuses, or ``None``."""
    return mean_only(x, rois, mode=mode) or wide(x, pair(output_size), len(rois))


def takes_grad(g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], **options: Any) -> str | None:
    """Why the gradient refuses, or ``None``."""
    return fits(g, int(np.prod(shape)))


def takes_mean_grad(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], mode: str = "avg", **options: Any
) -> str | None:
    """Why ``pixels.cu`` refuses, or ``None``."""
    return mean_only_grad(g, rois, mode=mode) or takes_grad(g, rois, shape=shape)


def takes_tiles(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], mode: str = "avg", **options: Any
) -> str | None:
    """Why ``tiles.cu`` refuses, or ``None``."""
    if max(g.shape[2:]) > 32:
        return f"takes at most 32 x 32 bins, not {g.shape[2]} x {g.shape[3]}"
    return takes_mean_grad(g, rois, shape=shape, mode=mode)


def takes_max_grad(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], mode: str = "avg", **options: Any
) -> str | None:
    """Why the gradient of a maximum refuses, or ``None``."""
    return (
        f"takes mode 'max', not {mode!r}"
        if mode != "max"
        else takes_grad(g, rois, shape=shape) or too_large(g=4 * g.size)
    )


def regions(rois: Array) -> Array:
    """The regions in float64, as the kernels take them."""
    return dense(rois.astype(np.float64), 8)


def roi_align(
    x: Array, rois: Array, *, output_size: Pair, mode: str = "avg", max_of: str = "samples", **options: Any
) -> Array:
    """As ``minidet_kernels.roi_align`` by ``roi_align.cu``, in float64."""
    (oh, ow), (c, H, W) = pair(output_size), x.shape[1:]
    y = namespace(x).empty((len(rois), c, oh, ow), x.dtype)
    args = (dense(x), regions(rois), y, np.int64(y.size), *map(i4, (c, H, W, oh, ow)), how(**options))
    ALIGN(f"roi_align<{C[x.dtype.char]}>", cover(y.size, TILE), TILE, (*args, _mode(mode, max_of)))
    return y


def roi_align_channels(x: Array, rois: Array, *, output_size: Pair, **options: Any) -> Array:
    """As ``minidet_kernels.roi_align`` by ``channels.cu``: mode ``"avg"``, sums in the dtype of ``x``."""
    return forward(SUMS, x, regions(rois), pair(output_size), how(**options), 0.0)


def roi_align_grad_x_pixels(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], **options: Any
) -> Array:
    """As ``minidet_kernels.roi_align_grad_x`` by ``pixels.cu``: mode ``"avg"``, sums in the dtype of ``g``."""
    return pixels(SUMS, g, regions(rois), shape, how(**options))


def roi_align_grad_x_tiles(
    g: Array, rois: Array, x: Array | None = None, *, shape: Sequence[int], **options: Any
) -> Array:
    """As ``minidet_kernels.roi_align_grad_x`` by ``tiles.cu``: mode ``"avg"``, sums in the dtype of ``g``."""
    return backward(SUMS, g, regions(rois), shape, how(**options))


def roi_align_grad_x_max(
    g: Array,
    rois: Array,
    x: Array | None = None,
    *,
    shape: Sequence[int],
    mode: str = "avg",
    max_of: str = "samples",
    **options: Any,
) -> Array:
    """As ``minidet_kernels.roi_align_grad_x`` by ``roi_align.cu`` and ``runs.cu``: mode ``"max"``."""
    assert x is not None
    xp, (K, c, oh, ow), boxes = namespace(g), g.shape, regions(rois)
    at, value = (xp.empty((K, c, 4 * oh * ow), dtype) for dtype in (xp.int32, g.dtype))
    sizes = map(i4, (c, *shape[2:], oh, ow))
    args = (dense(x.astype(g.dtype)), boxes, dense(g), at, value, np.int64(g.size), *sizes, how(**options))
    kernel = f"roi_align_winner<{C[g.dtype.char]}>"
    ALIGN(kernel, cover(g.size, TILE), TILE, (*args, _mode(mode, max_of)))
    return back(RUNS, value, at, boxes, shape)
