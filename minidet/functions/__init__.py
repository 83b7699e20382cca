"""The differentiable functions: what each computes, and one vector-Jacobian product per input.

``import minidet.functions as F``.  Inputs (tensors, arrays, Python numbers) are positional and parameters are
keyword-only.  Everything here is written once for NumPy and CuPy.  float32 stays float32.  Where a function has a
corner, its docstring declares the gradient there.
"""

from .activations import hardsigmoid, hardswish, leaky_relu, prelu, relu, relu6
from .arithmetic import (
    abs,
    add,
    clip,
    div,
    exp,
    log,
    matmul,
    maximum,
    minimum,
    mul,
    neg,
    power,
    sqrt,
    sub,
    where,
)
from .box_losses import iou_loss
from .convolution import conv2d, conv_transpose2d, linear
from .distributions import log_softmax, softmax
from .dropout import drop_block, dropout
from .losses import bce_with_logits, cross_entropy, focal, mse, smooth_l1
from .normalization import batch_norm
from .operators import install as _install
from .pooling import avg_pool2d, global_avg_pool2d, max_pool2d
from .reductions import logsumexp, max, mean, min, sum
from .regions import crop_and_resize, roi_align, roi_pool
from .resampling import resize, upsample
from .shaping import broadcast_to, concatenate, gather, getitem, pad, reshape, stack, transpose
from .smooth import elu, gelu, mish, selu, sigmoid, silu, softplus, tanh
from .unit_norm import l2_normalize

_install()

__all__ = [
    "abs", "add", "avg_pool2d", "batch_norm", "bce_with_logits", "broadcast_to", "clip", "concatenate", "conv2d",
    "conv_transpose2d", "crop_and_resize", "cross_entropy", "div", "drop_block", "dropout", "elu", "exp", "focal",
    "gather", "gelu", "getitem", "global_avg_pool2d", "hardsigmoid", "hardswish", "iou_loss", "l2_normalize",
    "leaky_relu", "linear", "log", "log_softmax", "logsumexp", "matmul", "max", "max_pool2d", "maximum", "mean",
    "min", "minimum", "mish", "mse", "mul", "neg", "pad", "power", "prelu", "relu", "relu6", "reshape", "resize",
    "roi_align", "roi_pool", "selu", "sigmoid", "silu", "smooth_l1", "softmax", "softplus", "sqrt", "stack", "sub",
    "sum", "tanh", "transpose", "upsample", "where",
]  # fmt: skip
