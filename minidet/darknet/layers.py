"""The sections of a cfg and the layers that they make; here those without weights: pooling, upsample, dropout, softmax.

Layers with weights are in `minidet.darknet.weighted`, those that join others in `minidet.darknet.wiring`, the heads in
`minidet.darknet.heads`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from .cfg import Section
from .layer import Layer
from .options import Shape, pair, window
from .weighted import Connected, Convolutional, Local
from .wiring import Reorg, Reorg3d, Route, ScaleChannels, Shortcut


class MaxPool(Layer):
    """The largest value of each window; ``padding`` is the total per axis, size - 1 by default, half of it in front."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._stride = pair(section, 1)
        self._size = section.integer("size", section.integer("stride", 1, at_least=1), at_least=1)
        self._padding = section.integer("padding", self._size - 1, at_least=0)
        if (self._padding + 1) // 2 >= self._size:
            raise section.error(f"padding={self._padding} leaves windows of size {self._size} empty", "padding")
        self.pool = nn.MaxPool2d(self._size, self._stride, self._padding, convention="darknet")

    def geometry(self, *shapes: Shape) -> Shape:
        """(channels, oh, ow)."""
        return (shapes[0][0], *window(self.section, shapes[0], self._size, self._padding, self._stride))

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return self.pool(x)


class AvgPool(Layer):
    """The mean of each map."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)

    def geometry(self, *shapes: Shape) -> Shape:
        """(channels, 1, 1)."""
        return shapes[0][0], 1, 1

    def forward(self, x: Tensor) -> Tensor:
        """The means, as maps of one pixel."""
        return F.mean(x, axis=(2, 3), keepdims=True)


class Upsample(Layer):
    """Every pixel repeated ``stride`` times along both axes, and multiplied by ``scale``."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._stride = section.integer("stride", 2, at_least=1)
        self._scale = section.number("scale", 1.0)
        self.up = nn.Upsample(self._stride, mode="nearest")

    def geometry(self, *shapes: Shape) -> Shape:
        """(channels, h stride, w stride)."""
        c, h, w = shapes[0]
        return c, h * self._stride, w * self._stride

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge."""
        x = self.up(x)
        return x if self._scale == 1 else F.mul(x, self._scale)


class Dropout(Layer):
    """In training, values set to 0 with ``probability`` and the others enlarged; at inference the identity."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        probability = section.number("probability", 0.2)
        if not 0 <= probability < 1:
            raise section.error(f"expected a probability from 0 to below 1, found {probability:g}", "probability")
        self.drop = nn.Dropout(probability)

    def forward(self, x: Tensor) -> Tensor:
        """Drop, or not."""
        return self.drop(x)


class Softmax(Layer):
    """Softmax over all values of an image, or over each of ``groups`` equal parts; ``temperature`` divides first."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._groups = section.integer("groups", 1, at_least=1)
        self._temperature = section.number("temperature", 1.0)
        if self._temperature <= 0:
            raise section.error(f"expected a temperature above 0, found {self._temperature:g}", "temperature")

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape that arrives."""
        c, h, w = shapes[0]
        if c * h * w % self._groups:
            raise self.section.error(f"groups={self._groups} must divide the {c * h * w} values that arrive", "groups")
        return shapes[0]

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities."""
        shape = x.shape
        x = F.reshape(x, shape=(shape[0], self._groups, math.prod(shape[1:]) // self._groups))
        if self._temperature != 1:
            x = F.div(x, self._temperature)
        return F.reshape(F.softmax(x, axis=2), shape=shape)


#: The layers that a section makes, but the heads.
LAYERS: dict[str, type[Layer]] = {
    "convolutional": Convolutional,
    "connected": Connected,
    "local": Local,
    "maxpool": MaxPool,
    "avgpool": AvgPool,
    "upsample": Upsample,
    "dropout": Dropout,
    "softmax": Softmax,
    "route": Route,
    "shortcut": Shortcut,
    "scale_channels": ScaleChannels,
    "reorg": Reorg,
    "reorg3d": Reorg3d,
}
