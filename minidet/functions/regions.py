"""Features of regions of interest, on the operators of ``minidet_kernels.regions``."""

from __future__ import annotations

from typing import Any

from minidet_kernels.arrays import Array, namespace
from minidet_kernels.regions import crop_and_resize as crop_op
from minidet_kernels.regions import (
    crop_and_resize_grad_boxes,
    crop_and_resize_grad_x,
    roi_align_grad_x,
    roi_pool_grad_x,
)
from minidet_kernels.regions import roi_align as roi_align_op
from minidet_kernels.regions import roi_pool as roi_pool_op

from ..autograd import differentiable
from .broadcasting import Result

Size = int | tuple[int, int]


@differentiable
def roi_align(
    x: Array,
    rois: Array,
    *,
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    min_size: float | None = None,
    outside: str = "margin",
    mode: str = "avg",
    max_of: str = "samples",
    inverted: str = "keep",
) -> Result:
    """Bilinear samples of each region: x (N, C, H, W), rois (K, 5) -> (K, C, oh, ow).

    ``rois`` are batch index, x1, y1, x2, y2 in pixels of the image that the map is ``spatial_scale`` times; they have
    no gradient.  The options, with the defaults of torchvision, are those of ``minidet_kernels.regions``.  In mode
    ``"max"`` the first of equal samples gets the gradient.
    """
    options: dict[str, Any] = {
        "spatial_scale": spatial_scale,
        "sampling_ratio": sampling_ratio,
        "aligned": aligned,
        "min_size": min_size,
        "outside": outside,
        "mode": mode,
        "max_of": max_of,
        "inverted": inverted,
    }
    y, shape, kept = roi_align_op(x, rois, output_size=output_size, **options), x.shape, x if mode == "max" else None
    return y, (lambda g: roi_align_grad_x(g, rois, kept, shape=shape, **options), None)


@differentiable
def roi_pool(
    x: Array,
    rois: Array,
    *,
    output_size: Size,
    spatial_scale: float = 1.0,
    rounding: str = "half_away",
    end: str = "inclusive",
    bins: str = "exact",
    inverted: str = "keep",
) -> Result:
    """The maximum of each bin of each region: x (N, C, H, W), rois (K, 5) -> (K, C, oh, ow); 0 for an empty bin.

    ``rois`` are those of ``roi_align`` and have no gradient.  The options are those of ``minidet_kernels.regions``.
    The first of equal maxima, in row-major order, gets the gradient; NaN wins.
    """
    y, index = roi_pool_op(
        x, rois, output_size=output_size, spatial_scale=spatial_scale, rounding=rounding, end=end, bins=bins,
        inverted=inverted,
    )  # fmt: skip
    shape = x.shape
    return y, (lambda g: roi_pool_grad_x(g, index, rois, shape=shape), None)


@differentiable
def crop_and_resize(
    x: Array,
    boxes: Array,
    *,
    index: Array,
    size: Size,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> Result:
    """Crops of one size, as TensorFlow's: x (N, C, H, W), boxes (K, 4), index (K,) -> (K, C, oh, ow).

    ``boxes`` are y1, x1, y2, x2, 0 to 1 from the first element's centre to the last's; ``index`` says of which image
    each is.  The options are those of ``minidet_kernels.regions.crop``.  Both x and the boxes have gradients, the boxes
    for the method ``"bilinear"`` alone: of what is nearest they are zero.
    """
    y = crop_op(x, boxes, index, size=size, method=method, extrapolation=extrapolation, unit=unit)
    shape = x.shape

    def by_boxes(g: Array) -> Array:
        if method == "nearest":
            return namespace(boxes).zeros_like(boxes)
        return crop_and_resize_grad_boxes(g, x, boxes, index, unit=unit)

    return y, (lambda g: crop_and_resize_grad_x(g, boxes, index, shape=shape, method=method, unit=unit), by_boxes)
