"""Darknet-53, the backbone of YOLOv3 (Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, table 1)."""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from .blocks import ConvBlock, channels


class Residual(nn.Module):
    """Half the channels by 1x1, all again by 3x3, added to what came in."""

    def __init__(self, c: int, *, epsilon: str, rng: nn.init.Rng) -> None:
        half = max(1, c // 2)
        self.reduce = ConvBlock(c, half, 1, epsilon=epsilon, rng=rng)
        self.expand = ConvBlock(half, c, 3, epsilon=epsilon, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """``x + expand(reduce(x))``."""
        return F.add(x, self.expand(self.reduce(x)))


class Stage(nn.Module):
    """A convolution of stride 2, then residual blocks."""

    def __init__(self, c_in: int, c_out: int, blocks: int, *, epsilon: str, rng: nn.init.Rng) -> None:
        self.down = ConvBlock(c_in, c_out, 3, stride=2, epsilon=epsilon, rng=rng)
        self.blocks = nn.Sequential(*(Residual(c_out, epsilon=epsilon, rng=rng) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, h/2, w/2)."""
        return self.blocks(self.down(x))


class Darknet53(nn.Module):
    """52 convolutions in five stages; ``widths`` are the channels of the last three maps."""

    def __init__(self, *, width: float = 1.0, epsilon: str = "alexeyab", rng: nn.init.Rng = None) -> None:
        c0, c1, c2, c3, c4, c5 = channels(width, 32, 64, 128, 256, 512, 1024)
        self.stem = ConvBlock(3, c0, 3, epsilon=epsilon, rng=rng)
        self.stage1 = Stage(c0, c1, 1, epsilon=epsilon, rng=rng)
        self.stage2 = Stage(c1, c2, 2, epsilon=epsilon, rng=rng)
        self.stage3 = Stage(c2, c3, 8, epsilon=epsilon, rng=rng)
        self.stage4 = Stage(c3, c4, 8, epsilon=epsilon, rng=rng)
        self.stage5 = Stage(c4, c5, 4, epsilon=epsilon, rng=rng)
        self.widths = (c3, c4, c5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of strides 8, 16 and 32."""
        fine = self.stage3(self.stage2(self.stage1(self.stem(x))))
        medium = self.stage4(fine)
        coarse = self.stage5(medium)
        return fine, medium, coarse
