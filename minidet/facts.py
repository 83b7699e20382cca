"""What a network is made of: shapes, parameters, operations, boxes, by tracing one forward of the network itself.

The forward that is traced has a batch of *no* images.  Every layer runs, arrays have the shapes that they would have,
and nothing is computed, so a YOLOv3 at 608 x 608 takes no more time and memory than its parameters.

A multiply-add of a convolution or a fully connected layer is one MAC.  Papers and programs count it as one floating
point operation (torchvision) or as two (Darknet's BFLOPs); here ``macs`` is the one and ``flops`` the other.  As in
both, biases, batch norm, activations and pooling are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import nn
from .autograd import Tensor, no_grad
from .darknet.heads import HeadLayer
from .darknet.layer import Layer
from .darknet.layers import MaxPool
from .darknet.weighted import Local


@dataclass(frozen=True)
class LayerFacts:
    """One row: name, kind, shape (C, H, W) that leaves it, parameters, MACs; ``boxes`` that a head makes of it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    boxes: int = 0

    @property
    def flops(self) -> int:
        """Two for each multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True)
class Facts:
    """A network's sums, and its layers in the order in which they run.

    ``trainable`` counts parameters; ``in_file`` those and the running statistics of batch norm, which is how many
    numbers a Darknet weights file holds; ``conv_macs`` those of convolutions alone, ``macs`` of all layers.
    """

    name: str
    size: tuple[int, int]
    classes: int
    trainable: int
    in_file: int
    conv_layers: int
    conv_macs: int
    macs: int
    boxes: int
    layers: tuple[LayerFacts, ...]

    def to_dict(self) -> dict[str, Any]:
        """The sums under the keys that ``minidet facts --json`` prints."""
        return {
            "model": self.name,
            "size": list(self.size),
            "classes": self.classes,
            "parameters.trainable": self.trainable,
            "parameters.file": self.in_file,
            "conv_layers": self.conv_layers,
            "flops_conv": 2 * self.conv_macs,
            "macs": self.macs,
            "boxes": self.boxes,
        }


def facts(model: nn.Module, *, size: tuple[int, int] | None = None, name: str = "") -> Facts:
    """The facts of a network for an input of ``size`` (height, width), its own by default.

    ``model`` has ``size``, ``classes`` and, when it finds boxes, ``heads``; its ``forward`` takes (N, C, h, w), or its
    ``maps`` does, where ``forward`` takes images of any size.  What ``repeats()`` names runs on boxes: so many times an
    image.  Raises what ``forward`` raises for a size that does not fit.
    """
    h, w = size or model.size  # type: ignore[attr-defined]
    trace = _Trace(model)
    channels = getattr(model, "channels", 3)
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            run = getattr(model, "maps", model)
            maps = run(Tensor(model.to_device(np.zeros((0, channels, h, w), np.float32))))
    finally:
        trace.stop()
        for module, training in modes:
            module.training = training
    heads: Sequence[Any] = getattr(model, "heads", ())
    boxes = [head.count(*raw.shape[2:]) for head, raw in zip(heads, maps, strict=False)]
    return Facts(
        name=name or type(model).__name__,
        size=(h, w),
        classes=model.classes,  # type: ignore[attr-defined]
        trainable=nn.count(model.parameters()),
        in_file=nn.count(model.parameters()) + nn.count(buffer for _, buffer in model.named_buffers()),
        conv_layers=sum(isinstance(m, nn.Conv2d) for _, m in model.named_modules()),
        conv_macs=trace.conv_macs,
        macs=sum(row.macs for row in trace.rows),
        boxes=sum(boxes),
        layers=tuple(trace.rows_with_boxes(maps, boxes)),
    )


class _Trace:
    """Watches a network run, and keeps a row for each block or layer that ran."""

    def __init__(self, model: nn.Module) -> None:
        self.rows: list[LayerFacts] = []
        self.conv_macs = 0
        self._pending = 0  # MACs since the last row
        self._outputs: list[Tensor] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._repeats: Mapping[str, int] = getattr(model, "repeats", dict)()
        counted = [m for _, m in model.named_modules() if isinstance(m, COUNTED)]
        self._removers = [
            *(module.register_forward_hook(self._count) for module in counted),
            *(module.register_forward_hook(self._row) for module in _rows(model)),
        ]

    def stop(self) -> None:
        """Let the network be as it was."""
        for remove in self._removers:
            remove()

    def rows_with_boxes(self, maps: Sequence[Tensor], boxes: Sequence[int]) -> list[LayerFacts]:
        """The rows; the last one to give a head's map has the number of its boxes."""
        rows, last = list(self.rows), {id(y): i for i, y in enumerate(self._outputs)}
        for raw, count in zip(maps, boxes, strict=False):
            rows[last[id(raw)]] = replace(rows[last[id(raw)]], boxes=count)
        return rows

    def _count(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        name = self._names[id(module)]
        times = next((count for start, count in self._repeats.items() if name.startswith(start)), 1)
        macs = times * multiply_adds(module, inputs[0].shape, output.shape)
        self._pending += macs
        if isinstance(module, nn.Conv2d):
            self.conv_macs += macs

    def _row(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        name, parameters = self._names[id(module)], nn.count(module.parameters())
        self.rows.append(LayerFacts(name, kind(module), output.shape[1:], parameters, self._pending))
        self._outputs.append(output)
        self._pending = 0


#: The modules whose multiply-adds are counted.
COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, Local)


def _rows(model: nn.Module) -> list[nn.Module]:
    """The modules that make a row: layers of a cfg, blocks around a ``conv``, modules with none inside; each once."""
    found: dict[int, nn.Module] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        inside = [] if isinstance(module, Layer) or _conv(module) else [child for _, child in module.children()]
        if inside:
            waiting.extend(inside)
        else:
            found[id(module)] = module
    return list(found.values())


def multiply_adds(module: nn.Module, given: tuple[int, ...], made: tuple[int, ...]) -> int:
    """The multiply-adds of one image: one for each weight and place where it is used, padding included.

    ``given`` and ``made`` are the shapes of the input and the output.
    """
    if isinstance(module, Local):
        return module.weight.size
    places = math.prod(given[2:] if isinstance(module, nn.ConvTranspose2d) else made[2:])
    weight: nn.Parameter = module.weight  # type: ignore[attr-defined]
    return weight.size * places


def kind(module: nn.Module) -> str:
    """What a row of the table calls a module: ``convolution 3x3 /2``."""
    if isinstance(module, HeadLayer):
        return f"{module.section.name} head"
    module = _conv(module) or (module.pool if isinstance(module, MaxPool) else module)
    if isinstance(module, nn.Conv2d):
        (kh, kw), (sh, sw) = module.weight.shape[2:], _pair(module.stride)
        groups = f", {module.groups} groups" if module.groups > 1 else ""
        return f"convolution {kh}x{kw}" + _stride(sh, sw) + groups
    if isinstance(module, nn.MaxPool2d):
        return f"max pool {module.size}" + _stride(*_pair(module.stride or module.size))
    return module.section.name if isinstance(module, Layer) else type(module).__name__.lower()


def _conv(module: nn.Module) -> nn.Conv2d | None:
    """The convolution of a block, which has no other."""
    conv = getattr(module, "conv", None)
    alone = [child for _, child in module.children() if isinstance(child, nn.Conv2d)] == [conv]
    return conv if isinstance(conv, nn.Conv2d) and alone else None


def _stride(sh: int, sw: int) -> str:
    return "" if (sh, sw) == (1, 1) else f" /{sh}" if sh == sw else f" /{sh}x{sw}"


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
