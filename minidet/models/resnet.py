"""ResNet-18, -34, -50 and -101, as the maps that a feature pyramid is made of.

He et al., "Deep Residual Learning for Image Recognition" (2015), table 1.  The stride of a bottleneck is that of its
3 x 3 convolution, as torchvision has it ("version 1.5"), not of the first 1 x 1 as in the paper.  Names are
torchvision's: ``conv1``, ``bn1``, ``layer1.0.conv1``, ``layer1.0.downsample.0``.

Batch norm, by name (``norm``):

* ``"frozen"``: all four of its arrays are buffers, which are kept in a file and never change (`nn.FrozenBatchNorm2d`).
* ``"batch"``: scale and shift are trained, and the statistics follow the batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..errors import InputError
from .blocks import channels

NORMS = ("frozen", "batch")


def normalisation(c: int, norm: str, eps: float) -> nn.BatchNorm2d:
    """Batch norm over ``c`` channels of a kind named at the head of this file; raises `InputError` for others."""
    if norm not in NORMS:
        raise InputError(f"norm {norm!r} is not known; expected one of {', '.join(NORMS)}")
    return nn.FrozenBatchNorm2d(c, eps=eps) if norm == "frozen" else nn.BatchNorm2d(c, eps=eps)


class Residual(nn.Module):
    """What both kinds of block share: the sum with the input, which is projected where the shape changes."""

    def __init__(
        self, c_in: int, c_out: int, stride: int, *, norm: str = "frozen", eps: float = 1e-5, rng: nn.init.Rng = None
    ) -> None:
        self.downsample = None
        if stride != 1 or c_in != c_out:
            conv = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False, rng=rng)
            self.downsample = nn.Sequential(conv, normalisation(c_out, norm, eps))

    def residue(self, x: Tensor) -> Tensor:
        """What is added to the input."""
        raise TypeError(f"{type(self).__name__} has no residue()")

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) to (N, c_out, ceil(h / stride), ceil(w / stride))."""
        return F.relu(self.residue(x) + (x if self.downsample is None else self.downsample(x)))


class Basic(Residual):
    """Two 3 x 3 convolutions (ResNet-18 and -34)."""

    expansion = 1

    def __init__(
        self, c_in: int, c: int, stride: int, *, norm: str = "frozen", eps: float = 1e-5, rng: nn.init.Rng = None
    ) -> None:
        self.conv1 = nn.Conv2d(c_in, c, 3, stride=stride, padding=1, bias=False, rng=rng)
        self.bn1 = normalisation(c, norm, eps)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, bias=False, rng=rng)
        self.bn2 = normalisation(c, norm, eps)
        super().__init__(c_in, c, stride, norm=norm, eps=eps, rng=rng)

    def residue(self, x: Tensor) -> Tensor:
        """What is added to the input."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Bottleneck(Residual):
    """1 x 1 to fewer channels, 3 x 3, 1 x 1 to four times as many (ResNet-50 and -101)."""

    expansion = 4

    def __init__(
        self, c_in: int, c: int, stride: int, *, norm: str = "frozen", eps: float = 1e-5, rng: nn.init.Rng = None
    ) -> None:
        self.conv1 = nn.Conv2d(c_in, c, 1, bias=False, rng=rng)
        self.bn1 = normalisation(c, norm, eps)
        self.conv2 = nn.Conv2d(c, c, 3, stride=stride, padding=1, bias=False, rng=rng)
        self.bn2 = normalisation(c, norm, eps)
        self.conv3 = nn.Conv2d(c, c * self.expansion, 1, bias=False, rng=rng)
        self.bn3 = normalisation(c * self.expansion, norm, eps)
        super().__init__(c_in, c * self.expansion, stride, norm=norm, eps=eps, rng=rng)

    def residue(self, x: Tensor) -> Tensor:
        """What is added to the input."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


#: Depth to the kind of block, and how many of them each of the four layers has.
DEPTHS: Mapping[int, tuple[type[Basic] | type[Bottleneck], tuple[int, int, int, int]]] = MappingProxyType(
    {
        18: (Basic, (2, 2, 2, 2)),
        34: (Basic, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
    }
)


class ResNet(nn.Module):
    """Images (N, 3, h, w) to four maps, C2 to C5: (N, c, h / 4, w / 4) and so on to h / 32, sides rounded up.

    ``out_channels`` has their c: 64, 128, 256, 512 times ``width`` for depths 18 and 34, four times that for others.
    ``norm`` and ``eps`` are those of batch norm.  Raises `InputError` for a depth or norm that is not known.
    """

    def __init__(
        self, depth: int = 50, *, width: float = 1.0, norm: str = "frozen", eps: float = 1e-5, rng: nn.init.Rng = None
    ) -> None:
        if depth not in DEPTHS:
            raise InputError(f"a ResNet of depth {depth}; expected one of {', '.join(map(str, DEPTHS))}")
        rng = nn.init.generator(rng)
        block, counts = DEPTHS[depth]
        widths = channels(width, 64, 128, 256, 512)
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False, rng=rng)
        self.bn1 = normalisation(widths[0], norm, eps)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        layers, c_in = [], widths[0]
        for i, (c, count) in enumerate(zip(widths, counts, strict=True)):
            blocks = []
            for k in range(count):
                blocks.append(block(c_in, c, 2 if i and not k else 1, norm=norm, eps=eps, rng=rng))
                c_in = c * block.expansion
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.out_channels = tuple(c * block.expansion for c in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """C2, C3, C4 and C5."""
        c2 = self.layer1(self.maxpool(F.relu(self.bn1(self.conv1(x)))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
