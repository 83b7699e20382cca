"""The layers that bring others together or move values about: route, shortcut, scale_channels, reorg."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from .cfg import Section
from .layer import Layer
from .options import Shape, activation, group


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
