"""A network built from a parsed cfg."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Self

from minidet_kernels.arrays import Array

from .. import nn
from ..autograd import Tensor
from ..boxes.candidates import Candidates, join
from ..boxes.yolo import Head
from ..weights.slots import Slot
from .cfg import Cfg, CfgError, Section, read_cfg
from .heads import HEADS, HeadLayer
from .layer import Layer
from .layers import LAYERS
from .options import Shape, limit
from .schema import check
from .weighted import Convolutional

#: The longest side of an input, so that a slip in a cfg is told apart from a network.
LONGEST = 1 << 16


class DarknetNetwork(nn.Module):
    """Any Darknet network: a list of layers, each reading the one before or those that it names.

    ``cfg`` is a path or a parsed `Cfg`.  ``size`` (height, width) replaces the cfg's; ``classes`` replaces the number
    of classes of its heads, and the filters of the convolutions before them.  ``epsilon`` names the dialect of batch
    norm (`minidet.models.dialect`).  ``rng`` draws the parameters (`minidet.nn.init`).

    ``forward`` takes images (N, channels, h, w), RGB, 0 to 1, of any size whose maps fit together, and returns the raw
    maps of the heads as a tuple, in the order of the cfg, each before the head's own activation; a network without a
    head (``classifier`` is true) returns the output of its last layer as the only one.

    Raises `CfgError`, one line with file and line, for whatever in the cfg cannot be built; warns (`CfgWarning`) of
    options that nobody knows.
    """

    def __init__(
        self,
        cfg: Cfg | str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        classes: int | None = None,
        epsilon: str = "alexeyab",
        rng: nn.init.Rng = None,
    ) -> None:
        cfg = cfg if isinstance(cfg, Cfg) else read_cfg(cfg)
        check(cfg)
        self.cfg = cfg.with_classes(classes) if classes is not None else cfg
        h, w = (size, size) if isinstance(size, int) else size or (_side(cfg.net, "height"), _side(cfg.net, "width"))
        if not (0 < h <= LONGEST and 0 < w <= LONGEST):
            raise cfg.net.error(f"an input of {h} x {w}; expected sides from 1 to {LONGEST}")
        self.size = (h, w)
        self.channels = cfg.net.integer("channels", 3, at_least=1)
        self.layers = _build(self.cfg, (self.channels, h, w), epsilon, rng)
        self._last_use = _last_uses(self.layers)
        self._checked = {self.size}
        heads = [layer for layer in self.layers if isinstance(layer, HeadLayer)]
        self.heads: tuple[Head, ...] = tuple(layer.head for layer in heads)
        known = sorted({head.classes for head in self.heads})
        if len(known) > 1:
            raise heads[-1].section.error(f"the heads differ in their number of classes: {known}", "classes")
        last = self.layers[-1].shape
        self.classes: int = known[0] if known else last[0] * last[1] * last[2]

    @property
    def classifier(self) -> bool:
        """Whether the network has no head, so that it says what an image shows and not where."""
        return not self.heads

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps of the heads, or the last layer's output; outputs that no later layer reads are let go."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"images of shape {x.shape}; {self.cfg.file} takes (N, {self.channels}, height, width)")
        self._check_size((x.shape[2], x.shape[3]))
        held: dict[int, Tensor] = {-1: x}
        maps: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            y = layer(*(held[source] for source in layer.sources))
            if isinstance(layer, HeadLayer):
                maps.append(y)
            held[index] = y
            for source in [source for source in held if self._last_use.get(source, source) <= index]:
                del held[source]
        return tuple(maps) or (y,)

    def shapes(self, size: tuple[int, int]) -> list[Shape]:
        """The shape (channels, height, width) that leaves each layer for images of ``size``, by geometry alone."""
        shapes: list[Shape] = []
        for layer in self.layers:
            arriving = ((self.channels, *size) if source < 0 else shapes[source] for source in layer.sources)
            shapes.append(_geometry(layer, *arriving))
        return shapes

    def _check_size(self, size: tuple[int, int]) -> None:
        if size not in self._checked:
            self.shapes(size)
            self._checked.add(size)

    def candidates(self, heads: Sequence[Array], size: tuple[int, int] | None = None) -> list[Candidates]:
        """Per image, every box in pixels of the network's input and its scores, objectness times class probability.

        ``heads`` are the arrays that ``forward`` returned for images of ``size`` (height, width), the network's own by
        default.  Raises ``ValueError`` for a classifier or another number of maps.
        """
        if self.classifier:
            raise ValueError(f"{self.cfg.file} is a classifier: it has no boxes")
        if len(heads) != len(self.heads):
            raise ValueError(f"{len(heads)} maps for a network of {len(self.heads)} heads")
        return join([head.decode(raw, size or self.size) for head, raw in zip(self.heads, heads, strict=True)])

    def slots(self) -> list[Slot]:
        """The layers with weights, and their tensors, in the order of a ``.weights`` file."""
        found = []
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Convolutional) and layer.section.flag("batch_normalize") and layer.bn is None:
                raise ValueError(f"{layer.section.where()}: its batch norm has been folded; build the network anew")
            if layer.parts():
                name = f"layer {index} [{layer.section.name}] (line {layer.section.line})"
                found.append(Slot(name, layer.parts()))
        return found

    def fold(self) -> Self:
        """Put every batch norm, as it is at inference, into the convolution before it; returns the network.

        The network then computes the same as in ``eval()``, a little faster, but can be neither trained nor saved as
        ``.weights``.
        """
        for layer in self.layers:
            if isinstance(layer, Convolutional):
                layer.fold()
        return self.eval()


def _side(net: Section, option: str) -> int:
    return net.integer(option, at_least=1)


def _build(cfg: Cfg, shape: Shape, epsilon: str, rng: nn.init.Rng) -> list[Layer]:
    layers: list[Layer] = []
    for index, section in enumerate(cfg.layers):
        sources = _sources(section, index)
        for source in sources:
            if source >= 0 and isinstance(layers[source], HeadLayer):
                raise section.error(
                    f"reads layer {source}, a [{layers[source].section.name}] head, which is not implemented"
                )
        arriving = [shape if source < 0 else layers[source].shape for source in sources]
        make: Callable[..., Layer] = HEADS.get(section.name) or LAYERS[section.name]
        layer = make(section, sources, *arriving, dialect=epsilon, rng=rng)
        layer.shape = _geometry(layer, *arriving)
        layers.append(layer)
    return layers


def _geometry(layer: Layer, *arriving: Shape) -> Shape:
    shape = layer.geometry(*arriving)
    limit(layer.section, "values of a map", math.prod(shape))
    return shape


def _sources(section: Section, index: int) -> tuple[int, ...]:
    """The layers that a section reads, counted from 0; -1 is the input of the network."""
    if section.name == "route":
        return tuple(_layer(section, "layers", n, index) for n in section.integers("layers"))
    if section.name == "shortcut":
        return (index - 1, *(_layer(section, "from", n, index) for n in section.integers("from")))
    if section.name == "scale_channels":
        return index - 1, _layer(section, "from", section.integer("from"), index)
    return (index - 1,)


def _layer(section: Section, option: str, number: int, index: int) -> int:
    found = number if number >= 0 else index + number
    if not 0 <= found < index:
        meant = f" (from layer {index})" if number < 0 else ""
        have = f"layers 0 to {index - 1} stand before it" if index else "no layer stands before it"
        raise section.error(f"{number}{meant} is no earlier layer; {have}", option)
    return found


def _last_uses(layers: Sequence[Layer]) -> dict[int, int]:
    """For each layer (and the input, -1) the last layer that reads it."""
    return {source: index for index, layer in enumerate(layers) for source in layer.sources}


def build(cfg: Cfg | str | os.PathLike[str], **options: object) -> DarknetNetwork:
    """The network of a cfg; ``options`` as for `DarknetNetwork`."""
    return DarknetNetwork(cfg, **options)  # type: ignore[arg-type]


__all__ = ["CfgError", "DarknetNetwork", "build"]
