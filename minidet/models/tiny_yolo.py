"""A YOLOv3 small enough to learn on a CPU in a minute: Darknet-53's blocks, fewer and thinner, and two heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.candidates import Candidates, join
from ..boxes.yolo import YoloHead

#: Anchors (width, height) in pixels of a 96 x 96 input: k-means by IoU of the boxes of 2000 drawn scenes.
ANCHORS: tuple[tuple[float, float], ...] = ((14, 14), (19, 19), (23, 23), (27, 27), (33, 33), (42, 42))


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, leaky ReLU of slope 0.1."""

    def __init__(self, c_in: int, c_out: int, size: int, *, stride: int = 1, rng: nn.init.Rng = None) -> None:
        self.conv = nn.Conv2d(c_in, c_out, size, stride=stride, padding=size // 2, bias=False, rng=rng)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Any) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H / stride, W / stride)."""
        return F.leaky_relu(self.norm(self.conv(x)), slope=0.1)


class Residual(nn.Module):
    """``x + f(x)``, f a 1 x 1 convolution to half the channels and a 3 x 3 convolution back."""

    def __init__(self, channels: int, *, rng: nn.init.Rng = None) -> None:
        self.reduce = ConvBlock(channels, channels // 2, 1, rng=rng)
        self.expand = ConvBlock(channels // 2, channels, 3, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.expand(self.reduce(x))


def _stage(c_in: int, c_out: int, blocks: int, rng: nn.init.Rng) -> nn.Sequential:
    """Halve the map, then some residual blocks."""
    return nn.Sequential(
        ConvBlock(c_in, c_out, 3, stride=2, rng=rng), *(Residual(c_out, rng=rng) for _ in range(blocks))
    )


class TinyYOLO(nn.Module):
    """Two heads, at strides 16 and 8; ``width`` is the number of channels of the stem.

    ``model(x)`` takes RGB images (N, 3, h, w) in 0..1, h and w multiples of 16, and gives the raw maps
    (N, 3 (5 + classes), h / 16, w / 16) and (N, 3 (5 + classes), h / 8, w / 8).  Anchors are in pixels of the input.
    """

    size = (96, 96)
    masks = ((3, 4, 5), (0, 1, 2))

    def __init__(self, classes: int = 5, *, width: int = 16, rng: nn.init.Rng = None) -> None:
        if classes < 1 or width < 2 or width % 2:
            raise ValueError(f"classes must be at least 1 and width even, found {classes} and {width}")
        rng = nn.init.generator(rng)
        self.classes, self.width, self.anchors = classes, width, ANCHORS
        self.heads = tuple(YoloHead(tuple(ANCHORS[a] for a in mask), classes) for mask in self.masks)
        w = width
        self.stem = ConvBlock(3, w, 3, stride=2, rng=rng)  # stride 2
        self.stage4 = _stage(w, 2 * w, 1, rng)
        self.stage8 = _stage(2 * w, 4 * w, 2, rng)
        self.stage16 = _stage(4 * w, 8 * w, 2, rng)
        self.neck16 = ConvBlock(8 * w, 4 * w, 1, rng=rng)
        self.feature16 = ConvBlock(4 * w, 8 * w, 3, rng=rng)
        self.output16 = _output(8 * w, self.heads[0], rng)
        self.lateral = ConvBlock(4 * w, 2 * w, 1, rng=rng)
        self.upsample = nn.Upsample(2)
        self.neck8 = ConvBlock(6 * w, 4 * w, 1, rng=rng)
        self.feature8 = ConvBlock(4 * w, 4 * w, 3, rng=rng)
        self.output8 = _output(4 * w, self.heads[1], rng)

    def forward(self, x: Any) -> tuple[Tensor, Tensor]:
        """The raw maps of the head at stride 16 and of that at stride 8."""
        at8 = self.stage8(self.stage4(self.stem(x)))
        neck = self.neck16(self.stage16(at8))
        coarse = self.output16(self.feature16(neck))
        fine = self.neck8(F.concatenate(self.upsample(self.lateral(neck)), at8, axis=1))
        return coarse, self.output8(self.feature8(fine))

    def candidates(self, heads: Sequence[Array], size: tuple[int, int]) -> list[Candidates]:
        """Boxes and scores of each image, from the raw maps of an input of ``size`` (height, width)."""
        return join([head.decode(raw, size) for head, raw in zip(self.heads, heads, strict=True)])


def _output(c_in: int, head: YoloHead, rng: nn.init.Rng) -> nn.Conv2d:
    """The last convolution of a head, which begins by saying almost nowhere is anything."""
    conv = nn.Conv2d(c_in, head.channels, 1, rng=rng)
    conv.weight.data *= np.float32(0.1)
    assert conv.bias is not None
    conv.bias.data.reshape(len(head.anchors), -1)[:, 4] = -4.0  # objectness: a probability of 0.018
    return conv
