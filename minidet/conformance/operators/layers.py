"""The operators of layers and of pictures."""

from __future__ import annotations

from .batch_norm import BATCH_NORM
from .batch_norm_train import BATCH_NORM_TRAIN
from .conv2d import CONV2D
from .conv2d_grad_w import CONV2D_GRAD_W
from .conv2d_grad_x import CONV2D_GRAD_X
from .conv_transpose2d import CONV_TRANSPOSE2D
from .gelu import GELU
from .leaky_relu import LEAKY_RELU, LEAKY_RELU_GRAD
from .letterbox import LETTERBOX
from .letterbox_boxes import LETTERBOX_BOXES
from .mish import MISH, MISH_GRAD
from .operator import Operator
from .relu_grad import RELU_GRAD
from .roi_pool import ROI_POOL
from .silu import SILU, SILU_GRAD
from .softplus import SOFTPLUS

LAYERS: tuple[Operator, ...] = (
    ROI_POOL,
    CONV2D,
    CONV2D_GRAD_X,
    CONV2D_GRAD_W,
    CONV_TRANSPOSE2D,
    BATCH_NORM,
    BATCH_NORM_TRAIN,
    LEAKY_RELU,
    LEAKY_RELU_GRAD,
    RELU_GRAD,
    MISH,
    MISH_GRAD,
    SILU,
    SILU_GRAD,
    GELU,
    SOFTPLUS,
    LETTERBOX,
    LETTERBOX_BOXES,
)
