"""A Darknet network computed by torch: the same sections and weights, torch's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from minidet.darknet.heads import HeadLayer
from minidet.darknet.layers import Convolutional, MaxPool, Route, Shortcut, Upsample
from minidet.nn import fold_batch_norm

Step = Callable[..., torch.Tensor]


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(array.copy())


def _convolution(layer: Any, fold: bool) -> Step:
    conv, bn = layer.conv, layer.bn
    stride, padding = conv.stride, conv.padding
    name = layer.section.text("activation")
    assert name in ("leaky", "linear"), name

    def activate(y: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(y, 0.1, inplace=True) if name == "leaky" else y

    if bn is not None and not fold:
        weight = _tensor(conv.weight.data)
        statistics = [_tensor(t.data) for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias)]
        eps = bn.eps
        return lambda x: activate(F.batch_norm(F.conv2d(x, weight, None, stride, padding), *statistics, eps=eps))
    if bn is not None:
        weight, bias = map(_tensor, fold_batch_norm(conv, bn))
    else:
        weight, bias = _tensor(conv.weight.data), _tensor(conv.bias.data)
    if fold:
        weight = weight.contiguous(memory_format=torch.channels_last)
    return lambda x: activate(F.conv2d(x, weight, bias, stride, padding))


def _max_pool(layer: Any) -> Step:
    section = layer.section
    size, stride = section.integer("size"), section.integer("stride")
    before = (size - 1) // 2
    after = size - 1 - before
    edges = (before, after, before, after)
    if stride == size:  # whole windows on even sizes: Darknet's padding is beyond the last window
        return lambda x: F.max_pool2d(x, size, stride)
    return lambda x: F.max_pool2d(F.pad(x, edges, value=float("-inf")), size, stride)


def _step(layer: Any, fold: bool) -> Step:
    if isinstance(layer, Convolutional):
        return _convolution(layer, fold)
    if isinstance(layer, MaxPool):
        return _max_pool(layer)
    if isinstance(layer, Shortcut):
        return lambda x, y: x + y
    if isinstance(layer, Route):
        return lambda *xs: torch.cat(xs, 1) if len(xs) > 1 else xs[0]
    if isinstance(layer, Upsample):
        scale = layer.section.integer("stride")
        return lambda x: F.interpolate(x, scale_factor=scale, mode="nearest")
    if isinstance(layer, HeadLayer):
        return lambda x: x
    raise ValueError(f"{layer.section.where()}: torch's twin has no such section")


def twin(net: Any, *, fold: bool) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """A function from images (N, 3, h, w) to the raw head maps; ``fold`` folds batch norm and lays channels last."""
    steps = [(_step(layer, fold), layer.sources, isinstance(layer, HeadLayer)) for layer in net.layers]
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
        return heads

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
        steps.append(_training_convolution(layer, tensors, f"layers.{i}") if mine else _step(layer, False))

    def forward(x: torch.Tensor) -> list[torch.Tensor]:
        held, heads = {-1: x}, []
        for i, (layer, step) in enumerate(zip(net.layers, steps, strict=True)):
            held[i] = step(*(held[source] for source in layer.sources))
            if isinstance(layer, HeadLayer):
                heads.append(held[i])
        return heads

    return tensors, forward
