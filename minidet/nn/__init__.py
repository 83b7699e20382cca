"""Layers: parameters and buffers with names, and the functions that they are passed to."""

from . import init
from .activation import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Swish,
    Tanh,
)
from .convolution import Conv2d, ConvTranspose2d
from .dropout import DropBlock, Dropout
from .fold import fold_batch_norm
from .linear import Flatten, Identity, Linear
from .module import Buffer, Module, ModuleList, Parameter, Sequential, count
from .normalization import BatchNorm2d, FrozenBatchNorm2d
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .resampling import Upsample
from .unit_norm import L2Norm

__all__ = [
    "ELU", "GELU", "SELU", "AvgPool2d", "BatchNorm2d", "Buffer", "Conv2d", "ConvTranspose2d", "DropBlock", "Dropout",
    "Flatten", "FrozenBatchNorm2d", "GlobalAvgPool2d", "HardSigmoid", "HardSwish", "Identity", "L2Norm", "LeakyReLU",
    "Linear", "LogSoftmax", "MaxPool2d", "Mish", "Module", "ModuleList", "PReLU", "Parameter", "ReLU", "ReLU6",
    "Sequential", "SiLU", "Sigmoid", "Softmax", "Softplus", "Swish", "Tanh", "Upsample", "count",
    "fold_batch_norm", "init",
]  # fmt: skip
