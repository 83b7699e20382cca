"""The layers of a Darknet cfg: each is a module that reads its section, knows its geometry, and computes.

A layer is built from its section and the shapes (channels, height, width) that reach it, and says what shape leaves it.
``sources`` are the layers that it reads, -1 being the input of the network; most read the layer before them.
The layers that decode nothing but mark an output of the network are in `minidet.darknet.heads`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..models.dialect import batch_norm
from ..weights.slots import Parts, convolution_parts
from .cfg import Section
from .options import Shape, activation, group, limit, pair, window


class Layer(nn.Module):
    """One section of a cfg.  ``shape`` is what leaves it for the size of image that it was built for."""

    def __init__(self, section: Section, sources: Sequence[int]) -> None:
        self.section = section
        self.sources = tuple(sources)
        self.shape: Shape = (0, 0, 0)

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape that leaves the layer for those that reach it; raises `CfgError` where they do not fit."""
        return shapes[0]

    def parts(self) -> Parts:
        """What a weights file holds for this layer, in its order; empty for a layer without weights."""
        return ()


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
        if self.bn is not None:
            x = self.bn(x)
        return self.activation(x)

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


class Route(Layer):
    """The channels of some layers one after the other; with ``groups``, part ``group_id`` of each layer's channels."""

    def __init__(
        self, section: Section, sources: Sequence[int], *shapes: Shape, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._groups = section.integer("groups", 1, at_least=1)
        self._group = section.integer("group_id", 0, at_least=0)
        if self._group >= self._groups:
            raise section.error(f"group_id={self._group} is none of {self._groups} groups (from 0)", "group_id")

    def geometry(self, *shapes: Shape) -> Shape:
        """(sum of the channels, h, w)."""
        for source, shape in zip(self.sources, shapes, strict=True):
            if shape[1:] != shapes[0][1:]:
                raise self.section.error(
                    f"joins maps of different sizes: layer {self.sources[0]} is {shapes[0][1]} x {shapes[0][2]}, "
                    f"layer {source} is {shape[1]} x {shape[2]} (height x width)"
                )
            if shape[0] % self._groups:
                raise self.section.error(f"groups={self._groups} must divide the {shape[0]} channels of layer {source}")
        return sum(c // self._groups for c, _, _ in shapes), *shapes[0][1:]

    def forward(self, *xs: Tensor) -> Tensor:
        """Select and join."""
        if self._groups > 1:
            xs = tuple(group(x, self._groups, self._group) for x in xs)
        return xs[0] if len(xs) == 1 else F.concatenate(*xs, axis=1)


class Shortcut(Layer):
    """The layer before plus the layers ``from``, then the activation.

    Where the channels differ, those that both have are added and the layer before keeps the rest, as in Darknet (and
    OpenCV).  Of a map s times as large as the one that arrives, every s-th row and column is added, as in pjreddie's
    Darknet, whose ResNets need it; other differences of size are refused.
    """

    def __init__(
        self, section: Section, sources: Sequence[int], *shapes: Shape, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        for option in ("weights_type", "weights_normalization"):
            if section.text(option, "none") != "none":
                raise section.error(
                    f"{option}={section.text(option)} changes the result and is not implemented", option
                )
        self.activation = activation(section, "linear")

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape of the layer before."""
        _, h, w = shapes[0]
        for source, (_, oh, ow) in zip(self.sources, shapes, strict=True):
            if oh % h or ow % w or oh // h != ow // w:
                raise self.section.error(
                    f"adds maps of different sizes, which is not implemented unless one is whole times the other: "
                    f"{h} x {w} arrives, layer {source} is {oh} x {ow} (height x width)"
                )
        return shapes[0]

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Add, activate."""
        for other in others:
            step = other.shape[2] // x.shape[2]
            if step > 1:
                every, each = slice(None), slice(None, None, step)
                other = F.getitem(other, index=(every, every, each, each))
            x = _add_shared_channels(x, other)
        return self.activation(x)


def _add_shared_channels(x: Tensor, other: Tensor) -> Tensor:
    shared, every = min(x.shape[1], other.shape[1]), slice(None)
    if other.shape[1] > shared:
        other = F.getitem(other, index=(every, slice(0, shared)))
    if x.shape[1] == shared:
        return F.add(x, other)
    head, rest = F.getitem(x, index=(every, slice(0, shared))), F.getitem(x, index=(every, slice(shared, None)))
    return F.concatenate(F.add(head, other), rest, axis=1)


class ScaleChannels(Layer):
    """The maps of layer ``from``, each times the one value of its channel that arrives (squeeze and excitation)."""

    def __init__(
        self, section: Section, sources: Sequence[int], *shapes: Shape, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self.activation = activation(section, "linear")

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape of the layer ``from``."""
        factors, maps = shapes
        if factors != (maps[0], 1, 1):
            raise self.section.error(
                f"expected {maps[0]} x 1 x 1 to scale layer {self.sources[1]}, found {' x '.join(map(str, factors))}"
            )
        return maps

    def forward(self, factors: Tensor, maps: Tensor) -> Tensor:
        """Scale, activate."""
        return self.activation(F.mul(maps, factors))


class Reorg(Layer):
    """Space to depth in the order of Darknet's ``[reorg]``, which is not the order one expects.

    reorg_cpu walks the input as though it had C/s^2 channels of (h s, w s), takes pixels s apart there, and lays them
    out as (C, h, w); the result is then read as (C s^2, h/s, w/s).  Pretrained YOLOv2 depends on this order; pjreddie's
    ``[reorg]``, AlexeyAB's (there named reorg_old within) and OpenCV's all compute it.
    """

    def __init__(
        self, section: Section, sources: Sequence[int], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        self._stride = section.integer("stride", 1, at_least=1)

    def geometry(self, *shapes: Shape) -> Shape:
        """(C s^2, h/s, w/s)."""
        (c, h, w), s = shapes[0], self._stride
        if h % s or w % s or c % (s * s):
            raise self.section.error(f"stride={s} must divide the map, {h} x {w}, and its square the {c} channels")
        return c * s * s, h // s, w // s

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange."""
        (n, c, h, w), s = x.shape, self._stride
        x = F.reshape(x, shape=(n, c // (s * s), h, s, w, s))
        x = F.transpose(x, axes=(0, 3, 5, 1, 2, 4))
        return F.reshape(x, shape=(n, c * s * s, h // s, w // s))


class Reorg3d(Reorg):
    """Space to depth in the plain order (AlexeyAB's ``[reorg3d]``): channel (dy s + dx) C + c holds pixel (dy, dx)."""

    def geometry(self, *shapes: Shape) -> Shape:
        """(C s^2, h/s, w/s)."""
        (c, h, w), s = shapes[0], self._stride
        if h % s or w % s:
            raise self.section.error(f"stride={s} must divide the map, {h} x {w}")
        return c * s * s, h // s, w // s

    def forward(self, x: Tensor) -> Tensor:
        """Rearrange."""
        (n, c, h, w), s = x.shape, self._stride
        x = F.reshape(x, shape=(n, c, h // s, s, w // s, s))
        x = F.transpose(x, axes=(0, 3, 5, 1, 2, 4))
        return F.reshape(x, shape=(n, c * s * s, h // s, w // s))


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
