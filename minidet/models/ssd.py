"""SSD300 and SSD512 on VGG-16 (Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.1 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..boxes.priors import Clip, shapes_of_maps
from ..boxes.ssd import SsdHead
from ..errors import InputError
from .blocks import channels, some_classes
from .normalise import Normalise
from .ssd_base import SSDBase, plain_head
from .vgg16 import VGG16

#: Mean of ImageNet's pixels, red, green, blue, of 255, as VGG's authors subtract it.
VGG_MEAN = (123.0, 117.0, 104.0)
RATIOS = {300: ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)), 512: ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,))}
STEPS = {300: (8, 16, 32, 64, 100, 300), 512: (8, 16, 32, 64, 128, 256, 512)}
#: Sizes of the priors in pixels, that of each map and of the one after the last, in the VOC models of the authors.
SIZES = {
    300: (30, 60, 111, 162, 213, 264, 315),
    512: (35.84, 76.8, 153.6, 230.4, 307.2, 384, 460.8, 537.6),
}


class Extra(nn.Module):
    """A 1 x 1 convolution and one that makes the map smaller, each with ReLU."""

    def __init__(
        self,
        c_in: int,
        c_mid: int,
        c_out: int,
        size: int,
        stride: int,
        padding: int,
        *,
        rng: nn.init.Rng = None,
    ) -> None:
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, rng=rng)
        self.conv2 = nn.Conv2d(c_mid, c_out, size, stride=stride, padding=padding, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The smaller map."""
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class SSD(SSDBase):
    """SSD of ``size`` 300 or 512; its input is square, of that side.

    ``classes`` counts things, without "nothing" (20 for VOC, which others call 21); ``width`` multiplies all numbers of
    channels.  ``forward`` takes images (N, 3, size, size), RGB, 0 to 1.  ``sizes`` of the priors and
    ``clip`` are conventions (`minidet.boxes.priors`); ``largest`` and ``inside`` are of decoding (`SsdBoxes`).
    """

    def __init__(
        self,
        classes: int = 20,
        *,
        size: int | tuple[int, int] = 300,
        width: float = 1.0,
        sizes: Sequence[float] | None = None,
        clip: Clip = "none",
        largest: float | None = None,
        inside: bool = False,
        mean: Sequence[float] = VGG_MEAN,
        rng: nn.init.Rng = None,
    ) -> None:
        side = size if isinstance(size, int) else size[0] if len(set(size)) == 1 else 0
        if side not in SIZES:
            raise InputError(f"an SSD for inputs of {size}; expected 300 or 512")
        rng = nn.init.generator(rng)
        self.classes, self.size = some_classes(classes), (side, side)
        sizes = SIZES[side] if sizes is None else tuple(sizes)
        ratios, steps = RATIOS[side], STEPS[side]
        if len(sizes) != len(ratios) + 1:
            raise InputError(f"{len(sizes)} sizes of priors for {len(ratios)} maps; one more than maps is expected")
        made = shapes_of_maps(sizes, ratios)
        self.add_boxes(
            [SsdHead(boxes, step) for boxes, step in zip(made, steps, strict=True)],
            clip=clip,
            largest=largest,
            inside=inside,
        )
        self.normalise = Normalise(mean, 1.0)
        self.backbone = VGG16(width=width, rng=rng)
        c4, c7 = self.backbone.out_channels
        self.l2norm = nn.L2Norm(c4)
        c512, c256, c128 = channels(width, 512, 256, 128)
        small = [(c512, c128, c256, 3, 2, 1)] + [(c256, c128, c256, 3, 1, 0)] * 2  # 10 to 5, 3, 1
        large = [(c512, c128, c256, 3, 2, 1)] + [(c256, c128, c256, 3, 2, 1)] * 2 + [(c256, c128, c256, 4, 1, 1)]
        plan = [(c7, c256, c512, 3, 2, 1), *(small if side == 300 else large)]
        self.extras = nn.ModuleList(Extra(*one, rng=rng) for one in plan)
        self.add_heads([c4, c7, *(one[2] for one in plan)], plain_head(rng=rng))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps: locations, then logits."""
        if x.ndim != 4 or x.shape[1:] != (3, *self.size):
            raise ValueError(f"images of shape {x.shape}; this SSD takes (N, 3, {self.size[0]}, {self.size[1]})")
        conv4_3, fc7 = self.backbone(self.normalise(x))
        maps = [self.l2norm(conv4_3), fc7]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return self.raw_maps(maps)
