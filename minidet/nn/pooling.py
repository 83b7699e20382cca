"""Pooling layers."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from .convolution import Size
from .module import Module


class MaxPool2d(Module):
    """The maximum of each window; ``convention`` is ``"torch"``, ``"caffe"`` or ``"darknet"`` (see the function)."""

    def __init__(
        self, size: Size, stride: Size | None = None, padding: Size | None = None, convention: str = "torch"
    ) -> None:
        self.size, self.stride, self.padding, self.convention = size, stride, padding, convention

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, oh, ow)."""
        return F.max_pool2d(x, size=self.size, stride=self.stride, padding=self.padding, convention=self.convention)


class AvgPool2d(Module):
    """The mean of each window; ``convention`` is ``"torch"`` or ``"caffe"`` (see the function)."""

    def __init__(
        self,
        size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        convention: str = "torch",
        count_include_pad: bool = True,
    ) -> None:
        self.size, self.stride, self.padding, self.convention = size, stride, padding, convention
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, oh, ow)."""
        return F.avg_pool2d(
            x,
            size=self.size,
            stride=self.stride,
            padding=self.padding,
            convention=self.convention,
            count_include_pad=self.count_include_pad,
        )


class GlobalAvgPool2d(Module):
    """The mean of each channel: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Any) -> Tensor:
        """The means."""
        return F.global_avg_pool2d(x)
