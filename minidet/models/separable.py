"""Convolutions split in two: one for each channel by itself, then one of 1 x 1 over the channels.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017), section 3.1:
of k x k taps and c outputs it takes 1 / c + 1 / k^2 of the multiply-adds.
"""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor


class NormConv(nn.Module):
    """Convolution, batch norm and, unless ``relu=False``, ReLU: (N, c_in, h, w) to (N, c_out, h / stride, w / stride).

    It pads so that the map keeps its size, or halves by stride 2, rounded up.  ``folded`` is without batch norm and
    with a bias instead, for weights into which it was folded.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        relu: bool = True,
        folded: bool = False,
        rng: nn.init.Rng = None,
    ) -> None:
        self.conv = nn.Conv2d(
            c_in,
            c_out,
            size,
            stride=stride,
            padding=dilation * (size // 2),
            dilation=dilation,
            groups=groups,
            bias=folded,
            rng=rng,
        )
        self.bn = None if folded else nn.BatchNorm2d(c_out)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        y = self.conv(x)
        if self.bn is not None:
            y = self.bn(y)
        return F.relu(y) if self.relu else y


class Separable(nn.Module):
    """A 3 x 3 convolution of each channel and a 1 x 1 convolution, both with batch norm and ReLU."""

    def __init__(
        self, c_in: int, c_out: int, *, stride: int = 1, folded: bool = False, rng: nn.init.Rng = None
    ) -> None:
        self.depthwise = NormConv(c_in, c_in, 3, stride=stride, groups=c_in, folded=folded, rng=rng)
        self.pointwise = NormConv(c_in, c_out, folded=folded, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The new maps."""
        return self.pointwise(self.depthwise(x))


class PlainSeparable(nn.Module):
    """A 3 x 3 convolution of each channel, ReLU, and a 1 x 1 convolution, both with a bias and without batch norm."""

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1, rng: nn.init.Rng = None) -> None:
        self.depthwise = nn.Conv2d(c_in, c_in, 3, stride=stride, padding=1, groups=c_in, rng=rng)
        self.pointwise = nn.Conv2d(c_in, c_out, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The new maps."""
        return self.pointwise(F.relu(self.depthwise(x)))
