"""YOLOv3 and YOLOv3-SPP: Redmon and Farhadi, "YOLOv3: An Incremental Improvement" (2018), and their cfgs."""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.yolo import YoloHead
from .blocks import ConvBlock, Detector, channels, sides, some_classes
from .darknet53 import Darknet53

#: (width, height) in pixels, three each for the maps of strides 32, 16 and 8: k-means over the boxes of COCO.
COARSE = ((116, 90), (156, 198), (373, 326))
MEDIUM = ((30, 61), (62, 45), (59, 119))
FINE = ((10, 13), (16, 30), (33, 23))


class PyramidPool(nn.Module):
    """Spatial pyramid pooling: the map beside its maxima over windows of 5, 9 and 13, widest first (four times c)."""

    def __init__(self) -> None:
        self.pools = [nn.MaxPool2d(size, 1, size - 1, convention="darknet") for size in (13, 9, 5)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) to (N, 4 c, h, w)."""
        return F.concatenate(*(pool(x) for pool in self.pools), x, axis=1)


class Neck(nn.Module):
    """1x1 and 3x3 convolutions in turn: c channels, 2c, c, 2c, c; with ``pooled``, a pyramid pool after the third."""

    def __init__(self, c_in: int, c: int, *, pooled: bool = False, epsilon: str, rng: nn.init.Rng) -> None:
        def block(c_in: int, c_out: int, size: int) -> ConvBlock:
            return ConvBlock(c_in, c_out, size, epsilon=epsilon, rng=rng)

        pool = (PyramidPool(), block(4 * c, c, 1)) if pooled else ()
        self.layers = nn.Sequential(
            block(c_in, c, 1), block(c, 2 * c, 3), block(2 * c, c, 1), *pool, block(c, 2 * c, 3), block(2 * c, c, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c, h, w)."""
        return self.layers(x)


class Predictor(nn.Module):
    """A 3x3 convolution to c channels, and a plain 1x1 convolution to the raw map of a head."""

    def __init__(self, c_in: int, c: int, raw: int, *, epsilon: str, rng: nn.init.Rng) -> None:
        self.spread = ConvBlock(c_in, c, 3, epsilon=epsilon, rng=rng)
        self.raw = nn.Conv2d(c, raw, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, raw, h, w)."""
        return self.raw(self.spread(x))


class YOLOv3(Detector):
    """YOLOv3: Darknet-53 and three heads, at strides 32, 16 and 8.

    ``spp`` adds the pyramid pool of YOLOv3-SPP before the coarsest head; ``width`` scales every number of channels;
    ``epsilon`` names the dialect of batch norm; ``rng`` draws the parameters.  ``forward`` takes images (N, 3, h, w),
    RGB, 0 to 1, sides multiples of 32, and returns raw maps (N, 3 (5 + classes), h/s, w/s) for s = 32, 16, 8.
    """

    stride = 32

    def __init__(
        self,
        classes: int = 80,
        *,
        spp: bool = False,
        width: float = 1.0,
        size: int | tuple[int, int] | None = None,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        self.classes = some_classes(classes)
        self.spp = spp
        self.size = sides(size, self.stride)
        self.heads = tuple(YoloHead(anchors, classes) for anchors in (COARSE, MEDIUM, FINE))
        raw = self.heads[0].channels
        c8, c16, c32 = channels(width, 128, 256, 512)

        self.backbone = Darknet53(width=width, epsilon=epsilon, rng=rng)
        b8, b16, b32 = self.backbone.widths
        self.coarse_neck = Neck(b32, c32, pooled=spp, epsilon=epsilon, rng=rng)
        self.coarse_head = Predictor(c32, 2 * c32, raw, epsilon=epsilon, rng=rng)
        self.to_medium = ConvBlock(c32, c16, 1, epsilon=epsilon, rng=rng)
        self.medium_neck = Neck(c16 + b16, c16, epsilon=epsilon, rng=rng)
        self.medium_head = Predictor(c16, 2 * c16, raw, epsilon=epsilon, rng=rng)
        self.to_fine = ConvBlock(c16, c8, 1, epsilon=epsilon, rng=rng)
        self.fine_neck = Neck(c8 + b8, c8, epsilon=epsilon, rng=rng)
        self.fine_head = Predictor(c8, 2 * c8, raw, epsilon=epsilon, rng=rng)
        self.up = nn.Upsample(2, mode="nearest")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The raw maps, coarsest first."""
        self.check_input(x)
        fine, medium, coarse = self.backbone(x)
        coarse = self.coarse_neck(coarse)
        medium = self.medium_neck(F.concatenate(self.up(self.to_medium(coarse)), medium, axis=1))
        fine = self.fine_neck(F.concatenate(self.up(self.to_fine(medium)), fine, axis=1))
        return self.coarse_head(coarse), self.medium_head(medium), self.fine_head(fine)
