"""The layers that have weights: convolution, connected, local."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..models.dialect import batch_norm
from ..weights.slots import Parts, convolution_parts
from .activations import AFTER_BATCH_NORM
from .cfg import Section
from .layer import Layer
from .options import Shape, activation, limit, pair, window


class Convolutional(Layer):
    """Convolution, batch norm or bias, activation.

    ``pad=1`` means a padding of size/2, ``padding=`` is the padding itself; ``stride_x`` and ``stride_y`` take
    precedence over ``stride``.  With ``dilation`` AlexeyAB's Darknet multiplies the padding by it, and ignores it for
    size 1.
    """

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        filters = section.integer("filters", at_least=1)
        size = section.integer("size", 1, at_least=1)
        groups = section.integer("groups", 1, at_least=1)
        if shape[0] % groups or filters % groups:
            raise section.error(
                f"groups={groups} must divide the {shape[0]} channels that arrive and the {filters} filters", "groups"
            )
        dilation = section.integer("dilation", 1, at_least=1) if size > 1 else 1
        padding = size // 2 if section.flag("pad") else section.integer("padding", 0, at_least=0)
        if dilation > 1 and 2 * padding != size - 1:
            raise section.error(
                f"dilation={dilation} needs a padding of (size - 1) / 2 = {(size - 1) / 2:g}", "dilation"
            )
        normalised = section.integer("batch_normalize", 0)
        if normalised not in (0, 1):
            raise section.error(f"expected 0 or 1, found {normalised}", "batch_normalize")
        limit(section, "channels", filters)
        limit(section, "weights", filters * (shape[0] // groups) * size * size)
        self.activation = activation(section, "logistic")
        self.conv = nn.Conv2d(
            shape[0], filters, size, stride=pair(section, 1), padding=padding * dilation, dilation=dilation,
            groups=groups, bias=not normalised, rng=rng,
        )  # fmt: skip
        self.bn = batch_norm(filters, dialect) if normalised else None
        self._window = (size, padding * dilation, dilation)
        self._filters = filters
        self._channels = shape[0]

    def geometry(self, *shapes: Shape) -> Shape:
        """(filters, oh, ow)."""
        size, padding, dilation = self._window
        if shapes[0][0] != self._channels:
            raise self.section.error(f"was built for {self._channels} channels, and {shapes[0][0]} arrive")
        reach = dilation * (size - 1) + 1
        return (self._filters, *window(self.section, shapes[0], reach, 2 * padding, pair(self.section, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        x = self.conv(x)
        if self.bn is None:
            return self.activation(x)
        if (name := AFTER_BATCH_NORM.get(self.activation)) is not None:
            return self.bn.then(x, name, slope=0.1)
        return self.activation(self.bn(x))

    def parts(self) -> Parts:
        """bias, (scale, mean, variance), weight."""
        return convolution_parts(self.conv, self.bn)

    def fold(self) -> None:
        """Put the batch norm, as it is at inference, into the convolution."""
        if self.bn is not None:
            weight, bias = nn.fold_batch_norm(self.conv, self.bn)
            self.conv.weight.data, self.conv.bias = weight, nn.Parameter(bias)
            self.bn = None


class Connected(Layer):
    """Every output from every input: ``activation(weight @ x + bias)``, with batch norm in place of the bias."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._inputs = shape[0] * shape[1] * shape[2]
        self._outputs = section.integer("output", at_least=1)
        limit(section, "channels", self._outputs)
        limit(section, "weights", self._inputs * self._outputs)
        self.activation = activation(section, "logistic")
        normalised = section.flag("batch_normalize")
        self.linear = nn.Linear(self._inputs, self._outputs, bias=not normalised, rng=rng)
        self.bn = batch_norm(self._outputs, dialect) if normalised else None

    def geometry(self, *shapes: Shape) -> Shape:
        """(outputs, 1, 1)."""
        c, h, w = shapes[0]
        if c * h * w != self._inputs:
            raise self.section.error(f"was built for {self._inputs} inputs, and {c} x {h} x {w} = {c * h * w} arrive")
        return self._outputs, 1, 1

    def forward(self, x: Tensor) -> Tensor:
        """The outputs, as maps of one pixel."""
        x = self.linear(F.reshape(x, shape=(x.shape[0], self._inputs)))
        x = F.reshape(x, shape=(x.shape[0], self._outputs, 1, 1))
        if self.bn is not None:
            x = self.bn(x)
        return self.activation(x)

    def parts(self) -> Parts:
        """bias, weight, (scale, mean, variance)."""
        if self.bn is None:
            assert self.linear.bias is not None
            return ("bias", self.linear.bias), ("weight", self.linear.weight)
        bn = self.bn
        normalisation = ("scale", bn.weight), ("mean", bn.running_mean), ("variance", bn.running_var)
        return ("bias", bn.bias), ("weight", self.linear.weight), *normalisation


class Local(Layer):
    """A convolution whose weights differ from place to place (YOLOv1); ``pad=1`` pads by one pixel."""

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._filters = section.integer("filters", at_least=1)
        self._size = section.integer("size", 1, at_least=1)
        self._stride = section.integer("stride", 1, at_least=1)
        self._pad = section.integer("pad", 0, at_least=0)
        if self._pad and (self._pad, self._size) != (1, 3):
            raise section.error(f"pad={self._pad} with size={self._size}: expected pad=0, or pad=1 with size=3", "pad")
        self.activation = activation(section, "logistic")
        c, (oh, ow) = shape[0], window(section, shape, self._size, 2 * self._pad, (self._stride, self._stride))
        inputs = c * self._size**2
        limit(section, "weights", oh * ow * self._filters * inputs)
        self.weight = nn.Parameter(nn.init.normal((oh * ow, self._filters, inputs), math.sqrt(2 / inputs), rng))
        self.bias = nn.Parameter(nn.init.zeros((self._filters, oh, ow)))

    def geometry(self, *shapes: Shape) -> Shape:
        """(filters, oh, ow), which is fixed by the weights."""
        here = window(self.section, shapes[0], self._size, 2 * self._pad, (self._stride, self._stride))
        if here != self.bias.shape[1:]:
            raise self.section.error(f"has weights for a map of {self.bias.shape[1:]}, and this one is {here}")
        return self._filters, *here

    def forward(self, x: Tensor) -> Tensor:
        """At each place, the place's own matrix times the window there."""
        (n, c), (_, oh, ow) = x.shape[:2], self.bias.shape
        s, p = self._stride, self._pad
        if p:
            x = F.pad(x, widths=((0, 0), (0, 0), (p, p), (p, p)))
        every = slice(None)
        taps = [
            F.getitem(x, index=(every, every, slice(i, i + s * (oh - 1) + 1, s), slice(j, j + s * (ow - 1) + 1, s)))
            for i in range(self._size)
            for j in range(self._size)
        ]
        columns = F.reshape(F.stack(*taps, axis=2), shape=(n, c * self._size**2, oh * ow))  # N, C k k, places
        y = F.matmul(self.weight, F.transpose(columns, axes=(2, 1, 0)))  # places, filters, N
        y = F.reshape(F.transpose(y, axes=(2, 1, 0)), shape=(n, self._filters, oh, ow))
        return self.activation(F.add(y, self.bias))

    def parts(self) -> Parts:
        """The bias (filters, oh, ow), the weight (places, filters, C size size)."""
        return ("bias", self.bias), ("weight", self.weight)
