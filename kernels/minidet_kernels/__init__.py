"""Operators on arrays: arrays in, arrays out.  No tape, no tensors, no models; ``minidet`` is built on these."""

from . import threads as _threads  # noqa: F401  before anything that imports NumPy
from .activation import leaky_relu, leaky_relu_grad, mish, mish_grad, silu, silu_grad
from .convolution import conv2d, conv2d_fused, conv2d_grad_w, conv2d_grad_x
from .masks import mask_iou
from .normalization import batch_norm_grad, batch_norm_train
from .normalization.fused import batch_norm_act_grad, batch_norm_act_train
from .overlap import (
    ciou_matrix,
    ciou_pairs,
    crowd_iou_matrix,
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
from .suppression import (
    batched_nms,
    diou_nms,
    fast_nms,
    matrix_nms,
    matrix_nms_of,
    nms,
    soft_nms,
    weighted_boxes_fusion,
)
from .table import OPS, Impl, Op, pin
from .threads import get_threads, set_threads
from .updates import adam_update, sgd_update

__all__ = [
    "OPS",
    "Impl",
    "Op",
    "adam_update",
    "avg_pool2d",
    "avg_pool2d_grad_x",
    "batch_norm_act_grad",
    "batch_norm_act_train",
    "batch_norm_grad",
    "batch_norm_train",
    "batched_nms",
    "ciou_matrix",
    "ciou_pairs",
    "conv2d",
    "conv2d_fused",
    "conv2d_grad_w",
    "conv2d_grad_x",
    "crop_and_resize",
    "crop_and_resize_grad_boxes",
    "crop_and_resize_grad_x",
    "crowd_iou_matrix",
    "diou_matrix",
    "diou_nms",
    "diou_pairs",
    "fast_nms",
    "get_threads",
    "giou_matrix",
    "giou_pairs",
    "iou_matrix",
    "iou_pairs",
    "leaky_relu",
    "leaky_relu_grad",
    "mask_iou",
    "match",
    "matrix_nms",
    "matrix_nms_of",
    "max_pool2d",
    "max_pool2d_grad_x",
    "mish",
    "mish_grad",
    "nms",
    "pin",
    "resize",
    "resize_grad_x",
    "roi_align",
    "roi_align_grad_x",
    "roi_pool",
    "roi_pool_grad_x",
    "set_threads",
    "sgd_update",
    "silu",
    "silu_grad",
    "soft_nms",
    "weighted_boxes_fusion",
]
