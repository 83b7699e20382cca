"""The blocks that Darknet's detectors are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from minidet_kernels.arrays import Array

from .. import nn
from ..autograd import Tensor
from ..boxes.candidates import Candidates, join
from ..boxes.yolo import YoloHead
from ..errors import InputError
from .dialect import batch_norm


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, leaky ReLU of slope 1/10; the map keeps its size, or halves by stride 2.

    (N, c_in, h, w) to (N, c_out, ceil(h / stride), ceil(w / stride)).  ``epsilon`` is the batch norm's dialect.
    """

    def __init__(
        self, c_in: int, c_out: int, size: int, *, stride: int = 1, epsilon: str = "alexeyab", rng: nn.init.Rng = None
    ) -> None:
        self.conv = nn.Conv2d(c_in, c_out, size, stride=stride, padding=size // 2, bias=False, rng=rng)
        self.bn = batch_norm(c_out, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        return self.bn.then(self.conv(x), "leaky", slope=0.1)


class Detector(nn.Module):
    """A network whose ``forward`` returns one raw map for each of ``heads``."""

    size: tuple[int, int]
    classes: int
    heads: tuple[YoloHead, ...]
    stride: int

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, 3, h, w) with h and w multiples of the coarsest stride."""
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % self.stride or x.shape[3] % self.stride:
            raise ValueError(
                f"images of shape {x.shape}; {type(self).__name__} takes (N, 3, height, width), both sides multiples "
                f"of {self.stride}"
            )

    def candidates(self, heads: Sequence[Array], size: tuple[int, int] | None = None) -> list[Candidates]:
        """Per image, every box in pixels of the network's input and its scores, objectness times class probability.

        ``heads`` are the arrays that ``forward`` returned for images of ``size`` (height, width), the network's own by
        default.
        """
        if len(heads) != len(self.heads):
            raise ValueError(f"{len(heads)} maps for a network of {len(self.heads)} heads")
        return join([head.decode(raw, size or self.size) for head, raw in zip(self.heads, heads, strict=True)])


def sides(size: int | tuple[int, int] | None, stride: int) -> tuple[int, int]:
    """(height, width) from one number, two, or none: 13 strides.  Raises `InputError` unless both are multiples."""
    h, w = (13 * stride,) * 2 if size is None else (size, size) if isinstance(size, int) else size
    if h < stride or w < stride or h % stride or w % stride:
        raise InputError(f"an input of {h} x {w}; expected height and width to be multiples of {stride}")
    return h, w


def some_classes(classes: int) -> int:
    """``classes``; raises `InputError` unless it is at least 1."""
    if classes < 1:
        raise InputError(f"a detector of {classes} classes; expected at least 1")
    return classes


def channels(width: float, *counts: int) -> tuple[int, ...]:
    """Numbers of channels scaled by ``width``, at least 1 each."""
    return tuple(max(1, round(width * count)) for count in counts)


def begin_doubtful(conv: nn.Conv2d, head: YoloHead) -> None:
    """Let a head begin by saying that almost nowhere is anything, as is true (Lin et al. 2017, section 4.1)."""
    assert conv.bias is not None
    conv.weight.data *= np.float32(0.1)
    conv.bias.data.reshape(len(head.anchors), -1)[:, 4] = -4  # objectness: a probability of 0.018
