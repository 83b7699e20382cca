"""SSD on MobileNet, as it is known from Caffe: https://github.com/chuanqi305/MobileNet-SSD (2017).

Conventions of that net, by the names of `minidet.boxes.priors`: priors in the order ``"small, large, ratios"`` with
sizes ``"truncated"`` to whole pixels, the step ``"map"``, no clipping; the finest map has no prior between two sizes.
Pixels are (p - 127.5) 0.007843 in the order blue, green, red; heads are convolutions of 1 x 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor
from ..boxes.priors import shapes, shapes_of_maps
from ..boxes.ssd import SsdHead
from ..errors import InputError
from .blocks import channels, some_classes
from .mobilenet import MobileNet
from .normalise import Normalise
from .separable import NormConv
from .ssd_base import SSDBase, plain_head

#: Sizes of the priors in pixels of an input of 300: of the finest map, and then of each and of one after the last.
SIZES = (60, 105, 150, 195, 240, 285, 300)
RATIOS = ((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0))


class Smaller(nn.Module):
    """A 1 x 1 convolution and a 3 x 3 one of stride 2, each with batch norm and ReLU: to half the map, rounded up."""

    def __init__(self, c_in: int, c_mid: int, c_out: int, *, folded: bool = False, rng: nn.init.Rng = None) -> None:
        self.conv1 = NormConv(c_in, c_mid, folded=folded, rng=rng)
        self.conv2 = NormConv(c_mid, c_out, 3, stride=2, folded=folded, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The smaller map."""
        return self.conv2(self.conv1(x))


class MobileNetSSD(SSDBase):
    """Six maps, at strides 16 and 32 of `MobileNet` and four smaller ones: 1,917 boxes for an input of 300 x 300.

    ``size`` is one number or (height, width), any from 32 on; ``sizes`` of the priors are in its pixels, by default
    shares of its shorter side.  ``width`` multiplies all numbers of channels.  ``folded`` is without batch norm, for
    weights into which it was folded; it is for inference.  ``classes`` counts things.

    ``forward`` takes images (N, 3, height, width), RGB, 0 to 1.
    """

    def __init__(
        self,
        classes: int = 20,
        *,
        size: int | tuple[int, int] | None = None,
        width: float = 1.0,
        sizes: Sequence[float] | None = None,
        folded: bool = False,
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.size = (300, 300) if size is None else (size, size) if isinstance(size, int) else size
        if min(self.size) < 32:
            raise InputError(f"an input of {self.size[0]} x {self.size[1]}; both sides are expected to be at least 32")
        self.classes = some_classes(classes)
        pixels = [s * min(self.size) / 300 for s in SIZES] if sizes is None else list(sizes)
        if len(pixels) != len(SIZES) or not all(s >= 1 for s in pixels):
            raise InputError(f"sizes {sizes!r} of priors; expected {len(SIZES)} numbers from 1, in pixels")
        first = shapes(pixels[0], None, RATIOS[0], sizes="truncated")
        others = shapes_of_maps(pixels[1:], RATIOS[1:], sizes="truncated")
        self.add_boxes([SsdHead(boxes) for boxes in (first, *others)])
        self.normalise = Normalise((127.5, 127.5, 127.5), 1 / 0.007843, "bgr")
        self.backbone = MobileNet(width=width, folded=folded, rng=rng)
        c11, c13 = self.backbone.out_channels
        c512, c256, c128, c64 = channels(width, 512, 256, 128, 64)
        plan = ((c13, c256, c512), (c512, c128, c256), (c256, c128, c256), (c256, c64, c128))
        self.extras = nn.ModuleList(Smaller(*one, folded=folded, rng=rng) for one in plan)
        self.add_heads([c11, c13, *(one[2] for one in plan)], plain_head(1, rng=rng))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps: locations, then logits."""
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 32:
            raise ValueError(f"images of shape {x.shape}; expected (N, 3, height, width), both sides at least 32")
        maps = [*self.backbone(self.normalise(x))]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return self.raw_maps(maps)
