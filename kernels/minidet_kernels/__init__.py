"""Operators on arrays: arrays in, arrays out.  No tape, no tensors, no models; ``minidet`` is built on these."""

from . import blas as _blas  # noqa: F401  before anything that imports NumPy
from .activation import leaky_relu, leaky_relu_grad
from .convolution import conv2d, conv2d_grad_w, conv2d_grad_x
from .normalization import batch_norm_grad, batch_norm_train
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
from .regions import roi_align, roi_align_grad_x, roi_pool, roi_pool_grad_x
from .resampling import resize, resize_grad_x
from .suppression import batched_nms, nms
from .table import OPS, Impl, Op, pin

__all__ = [
    "OPS",
    "Impl",
    "Op",
    "avg_pool2d",
    "avg_pool2d_grad_x",
    "batch_norm_grad",
    "batch_norm_train",
    "batched_nms",
    "ciou_matrix",
    "ciou_pairs",
    "conv2d",
    "conv2d_grad_w",
    "conv2d_grad_x",
    "diou_matrix",
    "diou_pairs",
    "giou_matrix",
    "giou_pairs",
    "iou_matrix",
    "iou_pairs",
    "leaky_relu",
    "leaky_relu_grad",
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
]
