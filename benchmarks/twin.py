"""A Darknet network computed by torch: the same sections and weights, torch's functions, in several settings.

``SETTINGS``: *eager* is the network as it is written, batch norm by itself; *folded* has batch norm in the weights and
channels last; *prepacked* has the weights besides in the layout that oneDNN asks for, and the activation fused into
the convolution, which are the calls that ``torch.compile`` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from minidet.darknet.heads import HeadLayer
from minidet.darknet.layers import Convolutional, MaxPool, Route, Shortcut, Upsample

from .sections import arriving, folded, pair, pool_edges

Step = Callable[..., torch.Tensor]
SETTINGS = ("eager", "folded", "prepacked")

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "linear": lambda y: y,
    "leaky": lambda y: F.leaky_relu(y, 0.1, inplace=True),
    "relu": lambda y: F.relu(y, inplace=True),
    "mish": lambda y: F.mish(y, inplace=True),
}
#: What oneDNN computes together with the convolution: its name, and its numbers.
FUSED: dict[str, tuple[str, list[float]]] = {
    "linear": ("none", []),
    "leaky": ("leaky_relu", [0.1]),
    "relu": ("relu", []),
}


def activation(layer: Any) -> str:
    """The name of a section's activation; raises ``ValueError`` for one that no twin computes."""
    name = str(layer.section.text("activation", "logistic"))
    if name not in ACTIVATIONS:
        raise ValueError(f"{layer.section.where()}: the twins have no activation {name!r}")
    return name


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(array).clone()


def _convolution(layer: Any, setting: str, shape: tuple[int, ...]) -> Step:
    conv, bn, name = layer.conv, layer.bn, activation(layer)
    stride, padding, activate = conv.stride, conv.padding, ACTIVATIONS[name]
    if setting == "eager" and bn is not None:
        weight = _tensor(conv.weight.data)
        statistics = [_tensor(t.data) for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias)]
        eps = bn.eps
        return lambda x: activate(F.batch_norm(F.conv2d(x, weight, None, stride, padding), *statistics, eps=eps))
    weight, bias = map(_tensor, folded(layer))
    if setting != "eager":
        weight = weight.contiguous(memory_format=torch.channels_last)
    if setting == "prepacked" and name in FUSED:
        return _prepacked(weight, bias, stride, padding, FUSED[name], shape)
    return lambda x: activate(F.conv2d(x, weight, bias, stride, padding))


def _prepacked(
    weight: torch.Tensor, bias: torch.Tensor, stride: Any, padding: Any, fused: Any, shape: tuple[int, ...]
) -> Step:
    padding, stride, dilation = pair(padding), pair(stride), [1, 1]
    pack, run = torch.ops.mkldnn._reorder_convolution_weight, torch.ops.mkldnn._convolution_pointwise
    packed = pack(weight, padding, stride, dilation, 1, [1, *shape])
    attribute, numbers = fused
    return lambda x: run(x, packed, bias, padding, stride, dilation, 1, attribute, numbers, "")


def _max_pool(layer: Any, shape: tuple[int, ...]) -> Step:
    size, stride, before, behind = pool_edges(layer, shape)
    if before == behind:
        return lambda x: F.max_pool2d(x, size, stride, before)
    edges = (before[1], behind[1], before[0], behind[0])
    return lambda x: F.max_pool2d(F.pad(x, edges, value=float("-inf")), size, stride)


def _step(layer: Any, setting: str, shape: tuple[int, ...]) -> Step:
    if isinstance(layer, Convolutional):
        return _convolution(layer, setting, shape)
    if isinstance(layer, MaxPool):
        return _max_pool(layer, shape)
    if isinstance(layer, Shortcut):
        return (lambda x, y: x + y) if setting == "eager" else (lambda x, y: x.add_(y))
    if isinstance(layer, Route):
        return lambda *xs: torch.cat(xs, 1) if len(xs) > 1 else xs[0]
    if isinstance(layer, Upsample):
        scale = layer.section.integer("stride")
        return lambda x: F.interpolate(x, scale_factor=scale, mode="nearest")
    if isinstance(layer, HeadLayer):
        return lambda x: x
    raise ValueError(f"{layer.section.where()}: torch's twin has no such section")


def twin(net: Any, *, setting: str) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """A function from images (N, 3, h, w) of the network's own size to the raw head maps, or the last layer's output.

    The weights are taken out of ``net``, one layer after the other, so that no process ever holds them twice.
    """
    readers = [source for layer in net.layers for source in layer.sources]
    steps = []
    for layer in net.layers:
        # A shortcut overwrites what it adds to, unless in the network as written, or another layer reads that as well.
        plain = isinstance(layer, Shortcut) and readers.count(layer.sources[0]) > 1
        step = _step(layer, "eager" if plain else setting, arriving(net, layer))
        steps.append((step, layer.sources, isinstance(layer, HeadLayer)))
        for _, parameter in layer.named_parameters():
            parameter.data = np.empty(0, np.float32)
    last_use = {source: i for i, (_, sources, _) in enumerate(steps) for source in sources}

    def forward(x: torch.Tensor) -> list[torch.Tensor]:
        held, heads = {-1: x}, []
        for i, (step, sources, is_head) in enumerate(steps):
            y = step(*(held[source] for source in sources))
            if is_head:
                heads.append(y)
            held[i] = y
            for source in [s for s in held if last_use.get(s, s) <= i]:
                del held[source]
        return heads or [y]

    return forward


def _training_convolution(layer: Any, tensors: dict[str, torch.Tensor], name: str) -> Step:
    """Convolution, batch norm by the statistics of the batch, activation; the parameters are added to ``tensors``."""
    conv, bn = layer.conv, layer.bn
    kind = layer.section.text("activation")
    assert kind in ("leaky", "linear"), kind

    def own(key: str, t: Any) -> torch.Tensor:
        tensors[f"{name}.{key}"] = _tensor(t.data).requires_grad_()
        return tensors[f"{name}.{key}"]

    def activate(y: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(y, 0.1, inplace=True) if kind == "leaky" else y

    weight = own("conv.weight", conv.weight)
    if bn is None:
        bias = own("conv.bias", conv.bias)
        return lambda x: activate(F.conv2d(x, weight, bias, conv.stride, conv.padding))
    scale, shift = own("bn.weight", bn.weight), own("bn.bias", bn.bias)
    mean, var = _tensor(bn.running_mean.data), _tensor(bn.running_var.data)
    assert (bn.epsilon, bn.variance, bn.momentum_convention) == ("inside", "biased", "torch")

    def forward(x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x, weight, None, conv.stride, conv.padding)
        return activate(F.batch_norm(x, mean, var, scale, shift, True, bn.momentum, bn.eps))

    return forward


def training_twin(net: Any) -> tuple[dict[str, torch.Tensor], Callable[[torch.Tensor], list[torch.Tensor]]]:
    """The parameters by minidet's names, and the function from images to raw head maps, in training."""
    tensors: dict[str, torch.Tensor] = {}
    steps = []
    for i, layer in enumerate(net.layers):
        mine = isinstance(layer, Convolutional)
        if mine:
            steps.append(_training_convolution(layer, tensors, f"layers.{i}"))
        else:
            steps.append(_step(layer, "eager", arriving(net, layer)))

    def forward(x: torch.Tensor) -> list[torch.Tensor]:
        held, heads = {-1: x}, []
        for i, (layer, step) in enumerate(zip(net.layers, steps, strict=True)):
            held[i] = step(*(held[source] for source in layer.sources))
            if isinstance(layer, HeadLayer):
                heads.append(held[i])
        return heads

    return tensors, forward
