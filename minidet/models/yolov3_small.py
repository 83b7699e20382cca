"""A YOLOv3 for a few hundred pictures and a CPU: Darknet-53's blocks, few and thin, and three heads."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.yolo import YoloHead
from ..errors import InputError
from .blocks import ConvBlock, Detector, begin_doubtful, channels, sides, some_classes
from .darknet53 import Stage
from .yolov3 import COARSE, FINE, MEDIUM, Predictor

Anchors = Sequence[Sequence[tuple[float, float]]]

#: What YOLOv3's anchors, which stand for an input of 416, are divided by.
ANCHORS_AT = 416


class YOLOv3Small(Detector):
    """Three heads, at strides 32, 16 and 8, on a backbone of seven residual blocks.

    ``width`` scales every number of channels: with 1, the maps of the backbone have 16, 32, 64, 128 and 256 (a
    quarter of Darknet-53's, whose first convolution at full size is left out).  ``anchors`` are (width, height) in
    pixels of the network's input, a list for each head, coarsest first; by default YOLOv3's, scaled from its input of
    416 to ``size``.  ``forward`` takes images (N, 3, h, w), RGB, 0 to 1, sides multiples of 32, and returns raw maps
    (N, A (5 + classes), h/s, w/s) for s = 32, 16, 8.  ``epsilon`` and ``rng`` as for `YOLOv3`.
    """

    stride = 32

    def __init__(
        self,
        classes: int = 80,
        *,
        width: float = 1.0,
        size: int | tuple[int, int] | None = None,
        anchors: Anchors | None = None,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.classes, self.width = some_classes(classes), width
        self.size = sides(size, self.stride)
        self.heads = tuple(YoloHead(pairs, classes) for pairs in _three(anchors, self.size))
        c2, c4, c8, c16, c32 = channels(width, 16, 32, 64, 128, 256)
        self.stem = ConvBlock(3, c2, 3, stride=2, epsilon=epsilon, rng=rng)
        self.stage4 = Stage(c2, c4, 1, epsilon=epsilon, rng=rng)
        self.stage8 = Stage(c4, c8, 2, epsilon=epsilon, rng=rng)
        self.stage16 = Stage(c8, c16, 2, epsilon=epsilon, rng=rng)
        self.stage32 = Stage(c16, c32, 2, epsilon=epsilon, rng=rng)
        coarse, medium, fine = (head.channels for head in self.heads)
        self.coarse_neck = ConvBlock(c32, c16, 1, epsilon=epsilon, rng=rng)
        self.coarse_head = Predictor(c16, c32, coarse, epsilon=epsilon, rng=rng)
        self.to_medium = ConvBlock(c16, c8, 1, epsilon=epsilon, rng=rng)
        self.medium_neck = ConvBlock(c8 + c16, c16, 1, epsilon=epsilon, rng=rng)
        self.medium_head = Predictor(c16, c16, medium, epsilon=epsilon, rng=rng)
        self.to_fine = ConvBlock(c16, c4, 1, epsilon=epsilon, rng=rng)
        self.fine_neck = ConvBlock(c4 + c8, c8, 1, epsilon=epsilon, rng=rng)
        self.fine_head = Predictor(c8, c8, fine, epsilon=epsilon, rng=rng)
        self.up = nn.Upsample(2, mode="nearest")
        for predictor, head in zip((self.coarse_head, self.medium_head, self.fine_head), self.heads, strict=True):
            begin_doubtful(predictor.raw, head)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The raw maps, coarsest first."""
        self.check_input(x)
        fine = self.stage8(self.stage4(self.stem(x)))
        medium = self.stage16(fine)
        coarse = self.coarse_neck(self.stage32(medium))
        medium = self.medium_neck(F.concatenate(self.up(self.to_medium(coarse)), medium, axis=1))
        fine = self.fine_neck(F.concatenate(self.up(self.to_fine(medium)), fine, axis=1))
        return self.coarse_head(coarse), self.medium_head(medium), self.fine_head(fine)


def _three(anchors: Anchors | None, size: tuple[int, int]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The anchors of the three heads, as floats; raises `InputError` unless there are three lists of positive pairs."""
    if anchors is None:
        scale = (size[1] / ANCHORS_AT, size[0] / ANCHORS_AT)
        return tuple(tuple((w * scale[0], h * scale[1]) for w, h in pairs) for pairs in (COARSE, MEDIUM, FINE))
    heads = tuple(tuple((float(w), float(h)) for w, h in pairs) for pairs in anchors)
    if len(heads) != 3 or not all(heads) or not all(w > 0 and h > 0 for pairs in heads for w, h in pairs):
        raise InputError(f"anchors {anchors!r}; expected a list of (width, height) for each of 3 heads, coarsest first")
    return heads
