"""Regions of interest: a grid of fixed size from each box of a map.

A region (batch index, x1, y1, x2, y2) is scaled to the map and cut into oh x ow bins.  RoIAlign samples each bin on a
regular grid, bilinearly, and takes the mean or the maximum of the samples; with a the elements of the map,

    y[k, c, i, j] = mean over u, v of  sum_{r, s} max(0, 1 - |p_iu - r|) max(0, 1 - |q_jv - s|) a[r, s]

where p_iu and q_jv are the rows and the columns of the samples.  RoIPool rounds the bins to whole elements, and takes
the maximum of those inside.  ``crop_and_resize`` is TensorFlow's; its formula and conventions are in ``crop.py``.

Conventions of RoIAlign, by name:

* ``aligned``: pixel centres lie at whole coordinates plus a half (True: x * scale - 1/2), or not (False: x * scale).
* ``min_size``: the least width and height of a region on the map.  Unless given, it is 1 where not ``aligned``, and
  none (minus infinity) where ``aligned``.
* ``sampling_ratio``: samples per bin and axis; 0 or -1 is adaptive, ``ceil`` of the bin's size, which may be none.  A
  bin without samples gives 0.
* ``outside``: a sample outside the map is 0 when before -1 or behind n, and the border's value between (``"margin"``,
  Detectron and its followers); 0 when before 0 or behind n - 1 (``"zero"``, TensorFlow); the border's value
  (``"border"``).
* ``mode``: ``"avg"`` or ``"max"``; ``max_of`` is ``"samples"``, or ``"corners"`` for the maximum of the four weighted
  neighbours of every sample, which ONNX's reference takes.
* ``inverted``: regions with x2 < x1 or y2 < y1 are ``"keep"``-ed (what follows from the formula and ``min_size``: one
  pixel, or negative bins, without samples if adaptive) or ``"raise"`` an error.

Conventions of RoIPool, by name:

* ``rounding`` of the scaled corners: ``"half_away"`` from zero, as C's round, or ``"half_even"``, as NumPy's.
* ``end``: a region from a to b has b - a + 1 elements (``"inclusive"``) or b - a (``"exclusive"``); at least one.
* ``bins``: bin i of m of n elements is floor(i n / m) to ceil((i + 1) n / m), in integers (``"exact"``) or with n / m
  rounded first to the regions' dtype (``"rounded"``), which may add an element.  A bin outside the map is empty: 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .crop import crop_and_resize, crop_and_resize_grad_boxes, crop_and_resize_grad_x
from .geometry import Pair, axes, pair, samples
from .whole import windows

HERE = __name__
GPU: Any = {"arrays": {"cupy"}, "needs": ("cupy",)}
ALIGN, POOL = f"{HERE}.cuda_align", f"{HERE}.cuda_pool"

__all__ = [
    "crop_and_resize",
    "crop_and_resize_grad_boxes",
    "crop_and_resize_grad_x",
    "roi_align",
    "roi_align_grad_x",
    "roi_pool",
    "roi_pool_grad_x",
]


@op(
    Impl("numba_max", f"{HERE}.numba_max:roi_align", needs=("numba",), limits=check.greatest_only),
    Impl("numba", f"{HERE}.numba_align:roi_align", needs=("numba",), limits=check.mean_only),
    Impl("numba_channels", f"{HERE}.numba_channels:roi_align", needs=("numba",), limits=check.many),
    Impl("samples", f"{ALIGN}:roi_align", **GPU, limits=f"{ALIGN}:takes"),
    Impl("channels", f"{ALIGN}:roi_align_channels", **GPU, limits=f"{ALIGN}:takes_channels"),
    check=check.roi_align,
)
def roi_align(
    x: Array,
    rois: Array,
    *,
    output_size: Pair,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> Array:
    """Sample each region bilinearly: (K, C, oh, ow) in the dtype of ``x`` (N, C, H, W), float32 or float64.

    ``rois`` (K, 5), float32 or float64, holds the batch index and the corners x1, y1, x2, y2, which ``spatial_scale``
    takes to the map (1/16 for a map of stride 16).  ``output_size`` is an integer or (oh, ow).  The samples' places
    are computed in float64.  The other options are described at the head of this room.

    Raises ``ValueError`` for a wrong shape or option, regions that are not finite, or a batch index out of range;
    ``TypeError`` for another dtype.
    """
    C, H, W = x.shape[1:]
    oh, ow = pair(output_size)
    rows, columns = axes(rois, output_size, spatial_scale, sampling_ratio, aligned, min_size)
    y = np.zeros((len(rois), C, oh, ow))
    for k in range(len(rois)):
        (r, u), (c, v) = samples(rows, k, oh, H, outside), samples(columns, k, ow, W, outside)  # (2, oh, gh), (2, ...)
        if not r.size * c.size:
            continue  # no samples: 0
        image, (r, u) = x[int(rois[k, 0])], (a[..., None, None, None] for a in (r, u))
        corners = image[:, r, c].astype(np.float64) * (u * v)  # (C, 2, oh, gh, 2, ow, gw)
        sample = corners.sum(axis=4).sum(axis=1)  # (C, oh, gh, ow, gw); in two steps, so that the order is known
        if mode == "avg":
            y[k] = sample.mean(axis=(2, 4))
        else:
            y[k] = sample.max(axis=(2, 4)) if max_of == "samples" else corners.max(axis=(1, 3, 4, 6))
    return y.astype(x.dtype)


@op(
    Impl("numba_max", f"{HERE}.numba_max:roi_align_grad_x", needs=("numba",), limits=check.greatest_only_grad),
    Impl("numba", f"{HERE}.numba_align:roi_align_grad_x", needs=("numba",), limits=check.mean_only_grad),
    Impl("numba_channels", f"{HERE}.numba_channels:roi_align_grad_x", needs=("numba",), limits=check.many_grad),
    Impl("winners", f"{ALIGN}:roi_align_grad_x_max", **GPU, limits=f"{ALIGN}:takes_max_grad"),
    Impl("pixels", f"{ALIGN}:roi_align_grad_x_pixels", **GPU, limits=f"{ALIGN}:takes_mean_grad"),
    Impl("tiles", f"{ALIGN}:roi_align_grad_x_tiles", **GPU, limits=f"{ALIGN}:takes_tiles"),
    check=check.roi_align_grad_x,
)
def roi_align_grad_x(
    g: Array,
    rois: Array,
    x: Array | None = None,
    *,
    shape: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> Array:
    """Send ``g`` (K, C, oh, ow) back to a map of ``shape`` (N, C, H, W): the transpose of ``roi_align``.

    Mode ``"max"`` also needs ``x``, the map itself: all of a bin's gradient goes to its first greatest sample, row by
    row (or to that sample's first greatest corner).  Where regions overlap they add up, in their order in every
    implementation, so the result is the same on any number of threads.
    """
    N, C, H, W = shape
    oh, ow = g.shape[2:]
    rows, columns = axes(rois, (oh, ow), spatial_scale, sampling_ratio, aligned, min_size)
    gx = np.zeros((N, C, H, W))
    for k in range(len(rois)):
        (r, u), (c, v) = samples(rows, k, oh, H, outside), samples(columns, k, ow, W, outside)
        if not r.size * c.size:
            continue
        n, (r, u) = int(rois[k, 0]), (a[..., None, None, None] for a in (r, u))
        part = u * v * g[k].astype(np.float64)[:, None, :, None, None, :, None]  # (C, 2, oh, gh, 2, ow, gw)
        if mode == "avg":
            part /= r.shape[2] * c.shape[2]
        else:
            assert x is not None
            part *= _greatest(x[n][:, r, c].astype(np.float64) * (u * v), max_of)
        np.add.at(gx[n].reshape(C, H * W), (slice(None), r * W + c), part)  # type: ignore[arg-type]
    return gx.astype(g.dtype)


def _greatest(corners: Array, max_of: str) -> Array:
    """1 at the first greatest sample (or corner) of each bin, 0 elsewhere; ``corners`` is (C, 2, oh, gh, 2, ow, gw)."""
    of_bins = corners.transpose(0, 2, 5, 3, 6, 1, 4)  # (C, oh, ow, gh, gw, 2, 2)
    values = of_bins.sum(axis=6).sum(axis=5) if max_of == "samples" else of_bins
    flat = values.reshape(*values.shape[:3], int(np.prod(values.shape[3:])))
    first = (np.arange(flat.shape[3]) == flat.argmax(axis=3)[..., None]).reshape(values.shape)
    whole = first[..., None, None] if max_of == "samples" else first
    return np.broadcast_to(whole, of_bins.shape).transpose(0, 5, 1, 3, 6, 2, 4).astype(np.float64)


@op(
    Impl("numba", f"{HERE}.numba_pool:roi_pool", needs=("numba",)),
    Impl("numba_channels", f"{HERE}.numba_pool_channels:roi_pool", needs=("numba",), limits=check.many),
    Impl("bins", f"{POOL}:roi_pool", **GPU, limits=f"{POOL}:takes"),
    check=check.roi_pool,
)
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
    """Maximum of each bin of each region: ``(y, index)``, both (K, C, oh, ow); ``y`` in the dtype of ``x``.

    Shapes and errors are those of ``roi_align``; the options are described at the head of this room.  ``index`` (int64)
    is ``row * W + column`` of the first maximum in row-major order, or of the first NaN; an empty bin is 0, its index
    -1.  The corners are scaled and rounded in the dtype of ``rois``.
    """
    C, H, W = x.shape[1:]
    oh, ow = pair(output_size)
    rows, columns = windows(rois, output_size, (H, W), spatial_scale, rounding, end, bins)
    y, index = np.zeros((len(rois), C, oh, ow), x.dtype), np.full((len(rois), C, oh, ow), -1, np.int64)
    for k, i, j in np.ndindex(len(rois), oh, ow):
        top, bottom, left, right = (int(a[k, b]) for axis, b in ((rows, i), (columns, j)) for a in axis)
        if top < bottom and left < right:
            bin = x[int(rois[k, 0]), :, top:bottom, left:right].reshape(C, (bottom - top) * (right - left))
            first = bin.argmax(axis=1)
            y[k, :, i, j] = bin[np.arange(C), first]
            index[k, :, i, j] = (top + first // (right - left)) * W + left + first % (right - left)
    return y, index


@op(
    Impl("numba", f"{HERE}.numba_pool:roi_pool_grad_x", needs=("numba",)),
    Impl("runs", f"{POOL}:roi_pool_grad_x", **GPU, limits=f"{POOL}:takes_grad"),
    check=check.roi_pool_grad_x,
)
def roi_pool_grad_x(g: Array, index: Array, rois: Array, *, shape: Sequence[int]) -> Array:
    """Send ``g`` (K, C, oh, ow) back to where ``index`` found the maxima, in a map of ``shape`` (N, C, H, W).

    ``index`` is what ``roi_pool`` returned for these ``rois``.  Where bins share an element they add up, in the order
    of the regions: the same on any number of threads.
    """
    N, C, H, W = shape
    gx = np.zeros((N, C, H * W))
    image, c = rois[:, 0].astype(np.int64)[:, None, None, None], np.arange(C)[:, None, None]
    np.add.at(gx, (image, c, np.maximum(index, 0)), np.where(index < 0, 0, g))
    return gx.reshape(N, C, H, W).astype(g.dtype)
