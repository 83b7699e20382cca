"""Launchers of crop_and_resize's CUDA kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .crops import UNITS
from .cuda_limits import fits, wide
from .cuda_sums import C, backward, forward, pixels, sources
from .geometry import Pair, pair

TILE = 128
#: Channels that a thread works on, at least, where there are enough.
CHANNELS = 8
CROP = Source(
    __file__,
    "crop.cu",
    TILE=TILE,
    instances=[f"{kernel}<{t}>" for kernel in ("crop", "crop_grad_boxes") for t in C.values()],
)
SUMS = sources("Crop")
HOW = np.dtype([("unit", "i4"), ("nearest", "i4")])


def _how(unit: str, method: str = "bilinear") -> Any:
    """The conventions as the kernels' ``Crop``, a struct."""
    return np.array((UNITS.index(unit), method == "nearest"), HOW)[()]


def regions(boxes: Array, index: Array) -> Array:
    """Boxes y1 x1 y2 x2 and their images as the kernels take them: (K, 5) float64, image x1 y1 x2 y2."""
    xp = namespace(boxes)
    made = xp.empty((len(boxes), 5), xp.float64)
    made[:, 0] = index
    for column, given in ((1, 1), (2, 0), (3, 3), (4, 2)):
        made[:, column] = boxes[:, given]
    return made


def takes(x: Array, boxes: Array, index: Array, *, size: Pair, **options: Any) -> str | None:
    """Why ``crop.cu`` refuses, or ``None``."""
    oh, ow = pair(size)
    return fits(x, len(boxes) * x.shape[1] * oh * ow)


def takes_channels(x: Array, boxes: Array, index: Array, *, size: Pair, **options: Any) -> str | None:
    """Why ``channels.cu`` refuses, or ``None``."""
    return wide(x, pair(size), len(boxes))


def takes_grad(g: Array, boxes: Array, index: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    """Why ``pixels.cu`` refuses, or ``None``."""
    return fits(g, int(np.prod(shape)))


def takes_tiles(g: Array, boxes: Array, index: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    """Why ``tiles.cu`` refuses, or ``None``."""
    if max(g.shape[2:]) > 32:
        return f"takes at most 32 x 32 samples, not {g.shape[2]} x {g.shape[3]}"
    return fits(g, int(np.prod(shape)))


def takes_boxes(g: Array, x: Array, boxes: Array, index: Array, **options: Any) -> str | None:
    """Why the gradient by the boxes refuses, or ``None``."""
    return fits(x, g.size)


def crop_and_resize(
    x: Array,
    boxes: Array,
    index: Array,
    *,
    size: Pair,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> Array:
    """As ``minidet_kernels.crop_and_resize`` by ``crop.cu``; weights and sums in the dtype of ``x``."""
    (oh, ow), (c, H, W), K = pair(size), x.shape[1:], len(boxes)
    y = namespace(x).empty((K, c, oh, ow), x.dtype)
    args = (dense(x), regions(boxes, index), y, *map(i4, (K, c, H, W, oh, ow)), _how(unit, method))
    grid = (cover(K * oh * ow, TILE), min(cover(c, CHANNELS), 65535))
    CROP(f"crop<{C[x.dtype.char]}>", grid, TILE, (*args, x.dtype.type(extrapolation)))
    return y


def crop_and_resize_channels(
    x: Array,
    boxes: Array,
    index: Array,
    *,
    size: Pair,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> Array:
    """As ``minidet_kernels.crop_and_resize`` by ``channels.cu``; weights and sums in the dtype of ``x``."""
    return forward(SUMS, x, regions(boxes, index), pair(size), _how(unit, method), extrapolation)


def crop_and_resize_grad_x_pixels(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_x`` by ``pixels.cu``, summed in the dtype of ``g``."""
    return pixels(SUMS, g, regions(boxes, index), shape, _how(unit, method))


def crop_and_resize_grad_x_tiles(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_x`` by ``tiles.cu``, summed in the dtype of ``g``."""
    return backward(SUMS, g, regions(boxes, index), shape, _how(unit, method))


def crop_and_resize_grad_boxes(g: Array, x: Array, boxes: Array, index: Array, *, unit: str = "last") -> Array:
    """As ``minidet_kernels.crop_and_resize_grad_boxes`` by ``crop.cu``, in float64."""
    xp, (K, c, oh, ow), (H, W) = namespace(g), g.shape, x.shape[2:]
    gb = xp.empty((K, 4), xp.float64)
    maps = dense(x.astype(g.dtype))
    args = (dense(g), maps, regions(boxes, index), gb, *map(i4, (c, H, W, oh, ow)), _how(unit))
    CROP(f"crop_grad_boxes<{C[g.dtype.char]}>", K, TILE, args)
    return gb.astype(boxes.dtype)
