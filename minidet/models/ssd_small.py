"""An SSD for a few hundred pictures and a CPU: Darknet-53's blocks, few and thin, and four maps."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor
from ..boxes.priors import shapes_of_maps
from ..boxes.ssd import SsdHead
from ..errors import InputError
from .blocks import ConvBlock, channels, sides, some_classes
from .darknet53 import Stage
from .ssd_base import SSDBase, plain_head

#: Sizes of the priors as a share of the input's shorter side: of each map, and of one after the last.
SIZES = (0.08, 0.18, 0.34, 0.55, 0.85)
RATIOS = ((2.0,), (2.0,), (2.0, 3.0), (2.0,))


class SSDSmall(SSDBase):
    """Maps at strides 8, 16, 32 and 64, each through a 3 x 3 convolution of its own before its two heads.

    ``width`` scales every number of channels: with 1, the maps of the backbone have 16, 32, 64, 128, 256 and 256.
    ``sizes`` of the priors are in pixels of the input, five of them; by default shares of its shorter side.
    ``forward`` takes images (N, 3, h, w), RGB, 0 to 1, sides multiples of 64.  ``classes`` counts things.
    """

    stride = 64

    def __init__(
        self,
        classes: int = 20,
        *,
        width: float = 1.0,
        size: int | tuple[int, int] | None = None,
        sizes: Sequence[float] | None = None,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.classes, self.width = some_classes(classes), width
        self.size = sides(5 * self.stride if size is None else size, self.stride)
        pixels = tuple(s * min(self.size) for s in SIZES) if sizes is None else tuple(map(float, sizes))
        if len(pixels) != len(SIZES) or not all(s > 0 for s in pixels):
            raise InputError(f"sizes {sizes!r} of priors; expected {len(SIZES)} numbers above 0, in pixels")
        self.add_boxes([SsdHead(boxes) for boxes in shapes_of_maps(pixels, RATIOS)])
        c2, c4, c8, c16, c32 = channels(width, 16, 32, 64, 128, 256)
        self.stem = ConvBlock(3, c2, 3, stride=2, epsilon=epsilon, rng=rng)
        self.stage4 = Stage(c2, c4, 1, epsilon=epsilon, rng=rng)
        self.stage8 = Stage(c4, c8, 2, epsilon=epsilon, rng=rng)
        self.stage16 = Stage(c8, c16, 2, epsilon=epsilon, rng=rng)
        self.stage32 = Stage(c16, c32, 2, epsilon=epsilon, rng=rng)
        self.stage64 = Stage(c32, c32, 1, epsilon=epsilon, rng=rng)
        maps = ((c8, c16), (c16, c16), (c32, c16), (c32, c16))
        self.necks = nn.ModuleList(ConvBlock(c, mid, 3, epsilon=epsilon, rng=rng) for c, mid in maps)
        self.add_heads([c for _, c in maps], plain_head(gain=0.1, rng=rng))  # all begin near "in place" and "undecided"

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps: locations, then logits."""
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % self.stride or x.shape[3] % self.stride:
            raise ValueError(f"images of shape {x.shape}; expected (N, 3, height, width), multiples of {self.stride}")
        x = self.stage8(self.stage4(self.stem(x)))
        maps = [x]
        for stage in (self.stage16, self.stage32, self.stage64):
            maps.append(stage(maps[-1]))
        return self.raw_maps([neck(one) for neck, one in zip(self.necks, maps, strict=True)])
