"""YOLOv3-tiny (Redmon's cfg of that name): a plain stack of convolutions and max pools, and two heads."""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.yolo import YoloHead
from .blocks import ConvBlock, Detector, channels, sides, some_classes
from .yolov3 import Predictor

#: (width, height) in pixels for the maps of strides 32 and 16.
COARSE = ((81, 82), (135, 169), (344, 319))
FINE = ((10, 14), (23, 27), (37, 58))


class YOLOv3Tiny(Detector):
    """YOLOv3-tiny: seven convolutions with max pools between them, heads at strides 32 and 16.

    Parameters as for `YOLOv3`.  ``forward`` takes images (N, 3, h, w), RGB, 0 to 1, sides multiples of 32, and returns
    raw maps (N, 3 (5 + classes), h/s, w/s) for s = 32, 16.
    """

    stride = 32

    def __init__(
        self,
        classes: int = 80,
        *,
        width: float = 1.0,
        size: int | tuple[int, int] | None = None,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        self.classes = some_classes(classes)
        self.size = sides(size, self.stride)
        self.heads = (YoloHead(COARSE, classes), YoloHead(FINE, classes))
        c = channels(width, 16, 32, 64, 128, 256, 512, 1024)
        raw = self.heads[0].channels

        def block(c_in: int, c_out: int, size: int = 3) -> ConvBlock:
            return ConvBlock(c_in, c_out, size, epsilon=epsilon, rng=rng)

        halve = nn.MaxPool2d(2, 2, 1, convention="darknet")
        same = nn.MaxPool2d(2, 1, 1, convention="darknet")  # pads on the right and at the bottom
        self.to_stride16 = nn.Sequential(
            block(3, c[0]), halve, block(c[0], c[1]), halve, block(c[1], c[2]), halve, block(c[2], c[3]), halve,
            block(c[3], c[4]),
        )  # fmt: skip
        self.to_stride32 = nn.Sequential(halve, block(c[4], c[5]), same, block(c[5], c[6]))
        self.neck = block(c[6], c[4], 1)
        self.coarse_head = Predictor(c[4], c[5], raw, epsilon=epsilon, rng=rng)
        self.to_fine = block(c[4], c[3], 1)
        self.up = nn.Upsample(2, mode="nearest")
        self.fine_head = Predictor(c[3] + c[4], c[4], raw, epsilon=epsilon, rng=rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The raw maps, coarsest first."""
        self.check_input(x)
        fine = self.to_stride16(x)
        coarse = self.neck(self.to_stride32(fine))
        fine = F.concatenate(self.up(self.to_fine(coarse)), fine, axis=1)
        return self.coarse_head(coarse), self.fine_head(fine)
