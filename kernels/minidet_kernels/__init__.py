"""Operators on arrays: arrays in, arrays out.  No tape, no tensors, no models; ``minidet`` is built on these."""

from . import threads as _threads  # noqa: F401  before anything that imports NumPy
from .convolution import conv2d, conv2d_grad_w, conv2d_grad_x
from .overlap import (
    ciou_matrix,
    ciou_pairs,
    diou_matrix,
    diou_pairs,
    giou_matrix,
    giou_pairs,
    iou_matrix,
    iou_pairs,
    match,
)
from .pooling import avg_pool2d, avg_pool2d_grad_x, max_pool2d, max_pool2d_grad_x
from .regions import (
    crop_and_resize,
    crop_and_resize_grad_boxes,
    crop_and_resize_grad_x,
    roi_align,
    roi_align_grad_x,
    roi_pool,
    roi_pool_grad_x,
)
from .resampling import resize, resize_grad_x
from .suppression import batched_nms, nms
from .table import OPS, Impl, Op, pin
from .threads import get_threads, set_threads

__all__ = [
    "OPS",
    "Impl",
    "Op",
    "avg_pool2d",
    "avg_pool2d_grad_x",
    "batched_nms",
    "ciou_matrix",
    "ciou_pairs",
    "conv2d",
    "conv2d_grad_w",
    "conv2d_grad_x",
    "crop_and_resize",
    "crop_and_resize_grad_boxes",
    "crop_and_resize_grad_x",
    "diou_matrix",
    "diou_pairs",
    "get_threads",
    "giou_matrix",
    "giou_pairs",
    "iou_matrix",
    "iou_pairs",
    "match",
    "max_pool2d",
    "max_pool2d_grad_x",
    "nms",
    "pin",
    "resize",
    "resize_grad_x",
    "roi_align",
    "roi_align_grad_x",
    "roi_pool",
    "roi_pool_grad_x",
    "set_threads",
]
