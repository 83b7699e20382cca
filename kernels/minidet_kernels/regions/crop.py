"""Cropping and resizing in one step, as TensorFlow does it: not RoIAlign, though used for the same purpose.

A box (y1, x1, y2, x2) on a map of H x W elements is sampled at oh x ow points, the outermost on its sides: row i of oh
lies at

    p_i = y1 (H - 1) + i (y2 - y1) (H - 1) / (oh - 1)           and at  (y1 + y2) (H - 1) / 2  for oh = 1

and likewise the columns.  One sample gives one output.  A box whose second side comes before its first is turned over.

Conventions, by name:

* ``unit`` of the boxes: ``"last"``: 0 is the centre of the first element and 1 that of the last (TensorFlow);
  ``"size"``: 1 is n elements on; ``"element"``: not normalised.
* ``method``: ``"bilinear"``, or ``"nearest"`` element, halves up.
* ``extrapolation``: the value of a sample before the first or behind the last element's centre.

Where a sample falls on an element, the gradient by the boxes is that of the interval behind it; TensorFlow has 0 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check_crop
from .crops import length, samples
from .geometry import Pair, pair

HERE = __package__
GPU: Any = {"arrays": {"cupy"}, "needs": ("cupy",)}
CUDA = f"{HERE}.cuda_crop"


@op(
    Impl("numba", f"{HERE}.numba_crop:crop_and_resize", needs=("numba",)),
    Impl("numba_channels", f"{HERE}.numba_crop:crop_and_resize_channels", needs=("numba",), limits=check_crop.many),
    Impl("samples", f"{CUDA}:crop_and_resize", **GPU, limits=f"{CUDA}:takes"),
    Impl("channels", f"{CUDA}:crop_and_resize_channels", **GPU, limits=f"{CUDA}:takes_channels"),
    check=check_crop.crop_and_resize,
)
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
    """Sample each box at ``size`` (oh, ow) points, corners on its corners: (K, C, oh, ow) in the dtype of ``x``.

    ``x`` is (N, C, H, W), ``boxes`` (K, 4) are y1, x1, y2, x2, both float32 or float64; ``index`` (K,), integers, says
    of which image each is.  The samples' places are computed in float64.  The options are described at the head of
    this file.

    Raises ``ValueError`` for a wrong shape or option, boxes that are not finite, or an index out of range;
    ``TypeError`` for another dtype.
    """
    (H, W), (oh, ow) = x.shape[2:], pair(size)
    y = np.empty((len(boxes), x.shape[1], oh, ow))
    rows = samples(boxes[:, 0], boxes[:, 2], oh, H, method, unit)
    columns = samples(boxes[:, 1], boxes[:, 3], ow, W, method, unit)
    for k in range(len(boxes)):
        image, u, v = x[int(index[k])].astype(np.float64), rows.part[k][:, None], columns.part[k]
        a, b = (image[:, rows.low[k]][:, :, c[k]] for c in (columns.low, columns.high))  # (C, oh, ow)
        d, e = (image[:, rows.high[k]][:, :, c[k]] for c in (columns.low, columns.high))
        value = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * d + v * e)
        y[k] = np.where(rows.inside[k][:, None] & columns.inside[k], value, extrapolation)
    return y.astype(x.dtype)


@op(
    Impl("numba", f"{HERE}.numba_crop:crop_and_resize_grad_x", needs=("numba",)),
    Impl(
        "numba_channels",
        f"{HERE}.numba_crop:crop_and_resize_channels_grad_x",
        needs=("numba",),
        limits=check_crop.many_grad,
    ),
    Impl("pixels", f"{CUDA}:crop_and_resize_grad_x_pixels", **GPU, limits=f"{CUDA}:takes_grad"),
    Impl("tiles", f"{CUDA}:crop_and_resize_grad_x_tiles", **GPU, limits=f"{CUDA}:takes_tiles"),
    check=check_crop.crop_and_resize_grad_x,
)
def crop_and_resize_grad_x(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> Array:
    """Send ``g`` (K, C, oh, ow) back to a map of ``shape`` (N, C, H, W): the transpose of ``crop_and_resize``.

    Where boxes overlap they add up, in their order in every implementation.
    """
    N, C, H, W = shape
    oh, ow = g.shape[2:]
    gx = np.zeros((N, C, H * W))
    rows = samples(boxes[:, 0], boxes[:, 2], oh, H, method, unit)
    columns = samples(boxes[:, 1], boxes[:, 3], ow, W, method, unit)
    for k in range(len(boxes)):
        u, v = rows.part[k][:, None], columns.part[k]
        part = g[k] * (rows.inside[k][:, None] & columns.inside[k]).astype(np.float64)  # (C, oh, ow)
        for r, a in ((rows.low, 1 - u), (rows.high, u)):
            for c, b in ((columns.low, 1 - v), (columns.high, v)):
                np.add.at(gx[int(index[k])], (slice(None), r[k][:, None] * W + c[k]), part * (a * b))  # type: ignore[arg-type]
    return gx.reshape(N, C, H, W).astype(g.dtype)


@op(
    Impl("numba", f"{HERE}.numba_crop:crop_and_resize_grad_boxes", needs=("numba",)),
    Impl("boxes", f"{CUDA}:crop_and_resize_grad_boxes", **GPU, limits=f"{CUDA}:takes_boxes"),
    check=check_crop.crop_and_resize_grad_boxes,
)
def crop_and_resize_grad_boxes(g: Array, x: Array, boxes: Array, index: Array, *, unit: str = "last") -> Array:
    """The gradient (K, 4) of bilinear ``crop_and_resize`` by its boxes, in their dtype, of ``g`` (K, C, oh, ow)."""
    (H, W), (oh, ow) = x.shape[2:], g.shape[2:]
    gb = np.zeros((len(boxes), 4))
    rows = samples(boxes[:, 0], boxes[:, 2], oh, H, "bilinear", unit)
    columns = samples(boxes[:, 1], boxes[:, 3], ow, W, "bilinear", unit)
    for k in range(len(boxes)):
        image, u, v = x[int(index[k])].astype(np.float64), rows.part[k][:, None], columns.part[k]
        a, b = (image[:, rows.low[k]][:, :, c[k]] for c in (columns.low, columns.high))  # (C, oh, ow)
        d, e = (image[:, rows.high[k]][:, :, c[k]] for c in (columns.low, columns.high))
        part = g[k] * (rows.inside[k][:, None] & columns.inside[k]).astype(np.float64)
        down = (part * ((1 - v) * (d - a) + v * (e - b))).sum(axis=(0, 2)) * length(unit, H)  # by the row's place
        across = (part * ((1 - u) * (b - a) + u * (e - d))).sum(axis=(0, 1)) * length(unit, W)
        for side, axis, by_place in ((0, rows, down), (1, columns, across)):
            gb[k, side], gb[k, side + 2] = ((1 - axis.share) * by_place).sum(), (axis.share * by_place).sum()
    return gb.astype(boxes.dtype)
