"""A YOLOv3 small enough to learn on a CPU in a minute: Darknet-53's blocks, fewer and thinner, and two heads."""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.yolo import YoloHead
from .blocks import ConvBlock, Detector, begin_doubtful, sides
from .darknet53 import Stage
from .yolov3 import Predictor

#: (width, height) in pixels for the maps of strides 16 and 8, for the boxes of `minidet.data.shapes` at 96 x 96.  One
#: each: those shapes are about as wide as high, and every further anchor is one more prediction to keep silent.
COARSE = ((36, 36),)
FINE = ((19, 19),)


class TinyYOLO(Detector):
    """Two heads, at strides 16 and 8; ``width`` is the number of channels of the stem.

    ``forward`` takes images (N, 3, h, w), RGB, 0 to 1, sides multiples of 16, and returns raw maps
    (N, 5 + classes, h/s, w/s) for s = 16, 8.  ``epsilon`` and ``rng`` as for `YOLOv3`.
    """

    stride = 16

    def __init__(
        self,
        classes: int = 5,
        *,
        width: int = 16,
        size: int | tuple[int, int] = 96,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.classes, self.width = classes, width
        self.size = sides(size, self.stride)
        self.heads = (YoloHead(COARSE, classes), YoloHead(FINE, classes))
        c2, c4, c8, c16 = width, 2 * width, 4 * width, 8 * width
        self.stem = ConvBlock(3, c2, 3, stride=2, epsilon=epsilon, rng=rng)
        self.stage4 = Stage(c2, c4, 1, epsilon=epsilon, rng=rng)
        self.stage8 = Stage(c4, c8, 2, epsilon=epsilon, rng=rng)
        self.stage16 = Stage(c8, c16, 2, epsilon=epsilon, rng=rng)
        self.coarse_neck = ConvBlock(c16, c8, 1, epsilon=epsilon, rng=rng)
        self.coarse_head = Predictor(c8, c16, self.heads[0].channels, epsilon=epsilon, rng=rng)
        self.to_fine = ConvBlock(c8, c4, 1, epsilon=epsilon, rng=rng)
        self.up = nn.Upsample(2)
        self.fine_neck = ConvBlock(c4 + c8, c8, 1, epsilon=epsilon, rng=rng)
        self.fine_head = Predictor(c8, c8, self.heads[1].channels, epsilon=epsilon, rng=rng)
        for predictor, head in ((self.coarse_head, self.heads[0]), (self.fine_head, self.heads[1])):
            begin_doubtful(predictor.raw, head)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The raw maps, coarsest first."""
        self.check_input(x)
        fine = self.stage8(self.stage4(self.stem(x)))
        coarse = self.coarse_neck(self.stage16(fine))
        fine = self.fine_neck(F.concatenate(self.up(self.to_fine(coarse)), fine, axis=1))
        return self.coarse_head(coarse), self.fine_head(fine)
