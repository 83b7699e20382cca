"""MobileNet, its first version, without what classifies.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017), table 1: a
convolution and thirteen pairs of a convolution of each channel and one of 1 x 1.
"""

from __future__ import annotations

from .. import nn
from ..autograd import Tensor
from .blocks import channels
from .separable import NormConv, Separable


class MobileNet(nn.Module):
    """The maps of stride 16, after ``conv11``, and of stride 32, after ``conv13``; their channels are ``out_channels``.

    Layers are called as in the Caffe nets: ``conv1`` has Caffe's ``conv1/dw`` and ``conv1``.  ``width`` multiplies all
    numbers of channels (the paper's alpha); ``folded`` is that of `NormConv`.  From (N, 3, h, w) to (N, 512 width,
    h/16, w/16) and (N, 1024 width, h/32, w/32), rounded up.
    """

    def __init__(self, *, width: float = 1.0, folded: bool = False, rng: nn.init.Rng = None) -> None:
        c32, c64, c128, c256, c512, c1024 = channels(width, 32, 64, 128, 256, 512, 1024)
        self.out_channels = (c512, c1024)

        def pair(c_in: int, c_out: int, stride: int = 1) -> Separable:
            return Separable(c_in, c_out, stride=stride, folded=folded, rng=rng)

        self.conv0 = NormConv(3, c32, 3, stride=2, folded=folded, rng=rng)
        self.conv1 = pair(c32, c64)
        self.conv2 = pair(c64, c128, stride=2)
        self.conv3 = pair(c128, c128)
        self.conv4 = pair(c128, c256, stride=2)
        self.conv5 = pair(c256, c256)
        self.conv6 = pair(c256, c512, stride=2)
        self.conv7 = pair(c512, c512)
        self.conv8 = pair(c512, c512)
        self.conv9 = pair(c512, c512)
        self.conv10 = pair(c512, c512)
        self.conv11 = pair(c512, c512)
        self.conv12 = pair(c512, c1024, stride=2)
        self.conv13 = pair(c1024, c1024)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two maps, the finer first."""
        map2 = self.conv1(self.conv0(x))
        map4 = self.conv3(self.conv2(map2))
        map8 = self.conv5(self.conv4(map4))
        map16 = self.conv11(self.conv10(self.conv9(self.conv8(self.conv7(self.conv6(map8))))))
        return map16, self.conv13(self.conv12(map16))
