"""Ultra-Light-Fast-Generic-Face-Detector, "UltraFace": an SSD for faces of a quarter of a million parameters.

The networks ``slim`` and ``RFB`` of https://github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB (2019).  RFB
has in one place of the backbone a block that looks at three scales at once, after Liu et al., "Receptive Field Block
Net for Accurate and Fast Object Detection" (2018), section 3.2.

Conventions of its own: pixels are (p - 127) / 128 in the order red, green, blue; priors are squares of given sizes,
without one between two sizes and without ratios; a cell's step is the side of the image divided by that of the map
(240 rows of pixels make 8 rows of cells at stride 32: 30 pixels each, not 32); priors are clipped as centre, width and
height.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.ssd import SsdHead
from ..errors import InputError
from .blocks import channels, some_classes
from .normalise import Normalise
from .separable import NormConv, PlainSeparable, Separable
from .ssd_base import SSDBase

#: Sides of the square priors of each map, in pixels of the input.
SIDES = ((10.0, 16.0, 24.0), (32.0, 48.0), (64.0, 96.0), (128.0, 192.0, 256.0))


class ReceptiveField(nn.Module):
    """Three branches of growing kernels and dilations, joined, and a shortcut: (N, c, h, w) to (N, c, h, w)."""

    def __init__(self, c: int, *, folded: bool = False, rng: nn.init.Rng = None) -> None:
        few, some, more = max(1, c // 8), max(1, 3 * (c // 8) // 2), 2 * max(1, c // 8)

        def branch(between: tuple[int, ...], dilation: int) -> nn.Sequential:
            widths = (few, *between)
            inner = [NormConv(a, b, 3, folded=folded, rng=rng) for a, b in zip(widths, between, strict=False)]
            return nn.Sequential(
                NormConv(c, few, relu=False, folded=folded, rng=rng),
                *inner,
                NormConv(widths[-1], more, 3, dilation=dilation, relu=False, folded=folded, rng=rng),
            )

        self.branches = nn.ModuleList((branch((more,), 2), branch((more,), 3), branch((some, more), 5)))
        self.merge = NormConv(3 * more, c, relu=False, folded=folded, rng=rng)
        self.shortcut = NormConv(c, c, relu=False, folded=folded, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The new map."""
        joined = F.concatenate(*(branch(x) for branch in self.branches), axis=1)
        return F.relu(F.add(self.merge(joined), self.shortcut(x)))


class UltraFace(SSDBase):
    """Maps at strides 8, 16, 32 and 64 of one thin backbone of separable convolutions; two heads on each.

    ``rfb`` puts a `ReceptiveField` in the place of the last layer at stride 8.  ``size`` is one number or (height,
    width), any from 64 on.  ``folded`` is without batch norm, for weights into which it was folded, such as those of
    the ``.caffemodel``; it is for inference.  ``width`` multiplies all numbers of channels.

    ``forward`` takes images (N, 3, height, width), RGB, 0 to 1, and returns raw maps: of locations (N, 4 A, h, w), the
    finest first, then of logits (N, (1 + classes) A, h, w); A is 3, 2, 2 and 3.
    """

    def __init__(
        self,
        classes: int = 1,
        *,
        rfb: bool = True,
        size: int | tuple[int, int] | None = None,
        width: float = 1.0,
        folded: bool = False,
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.size = (240, 320) if size is None else (size, size) if isinstance(size, int) else size
        if min(self.size) < 64:
            raise InputError(f"an input of {self.size[0]} x {self.size[1]}; both sides are expected to be at least 64")
        self.classes = some_classes(classes)
        self.add_boxes([SsdHead(tuple((s, s) for s in sides)) for sides in SIDES], clip="centres")
        c16, c32, c64, c128, c256 = channels(width, 16, 32, 64, 128, 256)

        def stage(*widths: int, strides: Sequence[int]) -> list[Separable]:
            pairs = zip(widths, widths[1:], strides, strict=False)
            return [Separable(a, b, stride=stride, folded=folded, rng=rng) for a, b, stride in pairs]

        self.normalise = Normalise((127, 127, 127), 128)
        self.stem = NormConv(3, c16, 3, stride=2, folded=folded, rng=rng)
        blocks: list[nn.Module] = [*stage(c16, c32, c32, c32, c64, c64, c64, strides=(1, 2, 1, 2, 1, 1))]
        blocks.append(
            ReceptiveField(c64, folded=folded, rng=rng) if rfb else Separable(c64, c64, folded=folded, rng=rng)
        )
        self.stage8 = nn.Sequential(*blocks)
        self.stage16 = nn.Sequential(*stage(c64, c128, c128, c128, strides=(2, 1, 1)))
        self.stage32 = nn.Sequential(*stage(c128, c256, c256, strides=(2, 1)))
        self.reduce = nn.Conv2d(c256, c64, 1, rng=rng)
        self.stage64 = PlainSeparable(c64, c256, stride=2, rng=rng)
        widths = (c64, c128, c256, c256)

        def heads(numbers: int) -> nn.ModuleList:
            counts = [numbers * len(head.shapes) for head in self.heads]
            split = [PlainSeparable(c, n, rng=rng) for c, n in zip(widths, counts[:-1], strict=False)]
            return nn.ModuleList([*split, nn.Conv2d(widths[-1], counts[-1], 3, padding=1, rng=rng)])

        self.locations, self.logits = heads(4), heads(1 + classes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps: locations, then logits."""
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 64:
            raise ValueError(f"images of shape {x.shape}; expected (N, 3, height, width), both sides at least 64")
        map8 = self.stage8(self.stem(self.normalise(x)))
        map16 = self.stage16(map8)
        map32 = self.stage32(map16)
        map64 = F.relu(self.stage64(F.relu(self.reduce(map32))))
        return self.raw_maps((map8, map16, map32, map64))
