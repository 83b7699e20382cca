"""Networks drawn by Hypothesis: maps that branch, join, shrink and grow, in any order that fits together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minidet.functions as F
from minidet import Tensor, nn

ACTIVATIONS = [
    None, F.relu, F.silu, F.mish, F.sigmoid, F.tanh, F.hardswish, lambda x: F.leaky_relu(x, slope=0.1)
]  # fmt: skip


@dataclass(frozen=True)
class Move:
    """One step: what is done, to which of the maps so far (counted from the last), and with what."""

    what: str
    first: int
    second: int
    numbers: tuple[int, ...]


class DrawnNetwork(nn.Module):
    """Runs its moves; those that do not fit the maps at hand are passed over.  Returns the last map and some others."""

    def __init__(self, moves: list[Move], shape: tuple[int, ...], seed: int) -> None:
        self.rng, self.moves = np.random.default_rng(seed), moves
        self.layers: list[nn.Module] = []
        self.made: dict[int, tuple[nn.Module, ...]] = {}
        self.eval()
        self.forward(Tensor(np.zeros(shape, np.float32)))  # makes the layers
        for _, p in self.named_parameters():
            p.data[...] = self.rng.normal(0, 1 / np.sqrt(max(1, p.data[:1].size)), p.shape)
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_var.data[...] = self.rng.uniform(0.5, 2, layer.running_var.shape)
                layer.running_mean.data[...] = self.rng.normal(size=layer.running_mean.shape)
        self.eval()

    def forward(self, x: Tensor) -> dict[str, Any]:
        maps = [x]
        for index, move in enumerate(self.moves):
            a, b = maps[-1 - move.first % len(maps)], maps[-1 - move.second % len(maps)]
            y = getattr(self, move.what)(index, a, b, *move.numbers)
            if y is not None:
                maps.append(y)
        return {"last": maps[-1], "others": (maps[len(maps) // 2], [maps[-1]])}

    def conv(self, index: int, x: Tensor, other: Tensor, o: int, k: int, s: int, norm: int, act: int) -> Any:
        filters, size, stride = (1, 3, 8, 16, 32, 40)[o % 6], (1, 3, 3, 5)[k % 4], 1 + (s == 0)
        groups = x.shape[1] if k % 7 == 6 else 1
        filters = x.shape[1] if groups > 1 else filters
        if index not in self.made:
            conv = nn.Conv2d(
                x.shape[1], filters, size, stride=stride, padding=size // 2, groups=groups, bias=not norm % 2
            )
            self.made[index] = (conv, *((nn.BatchNorm2d(filters),) if norm % 2 else ()))
            self.layers += [layer.eval() for layer in self.made[index]]
        y = x
        for layer in self.made[index]:
            y = layer(y)
        first = norm % 3 == 0 and other.shape == y.shape
        if first:
            y = F.add(y, other) if s % 2 else F.add(other, y)
        if (activation := ACTIVATIONS[act % len(ACTIVATIONS)]) is not None:
            y = activation(y)
        return F.add(y, other) if not first and norm % 3 == 1 and other.shape == y.shape else y

    def pool(self, index: int, x: Tensor, other: Tensor, size: int, stride: int, *_: int) -> Any:
        if min(x.shape[2:]) < 3:
            return None
        return F.max_pool2d(x, size=1 + size % 3, stride=1 + stride % 2, convention=("torch", "darknet")[size % 2])

    def mean(self, index: int, x: Tensor, other: Tensor, *_: int) -> Any:
        return F.avg_pool2d(x, size=2) if min(x.shape[2:]) > 3 else None

    def grow(self, index: int, x: Tensor, other: Tensor, down: int, right: int, *_: int) -> Any:
        return F.upsample(x, factor=(1 + down % 2, 1 + right % 2)) if max(x.shape[2:]) < 20 else None

    def join(self, index: int, x: Tensor, other: Tensor, more: int, *_: int) -> Any:
        if x.shape[2:] != other.shape[2:] or x.shape[1] + 2 * other.shape[1] > 200:
            return None
        return F.concatenate(x, other, x, axis=1) if more % 3 == 0 else F.concatenate(other, x, axis=1)

    def part(self, index: int, x: Tensor, other: Tensor, first: int, count: int, *_: int) -> Any:
        start = min(x.shape[1] - 1, 16 * (first % 3) if count % 2 else first % 5)
        stop = min(x.shape[1], start + (16 if count % 2 else 1 + count % 7))
        return F.getitem(x, index=(slice(None), slice(start, stop)))

    def add(self, index: int, x: Tensor, other: Tensor, *_: int) -> Any:
        return F.add(x, other) if x.shape == other.shape else F.mul(x, 0.5)

    def bend(self, index: int, x: Tensor, other: Tensor, act: int, *_: int) -> Any:
        activation = ACTIVATIONS[act % len(ACTIVATIONS)]
        return None if activation is None else activation(x)


KINDS = ["conv", "conv", "conv", "conv", "pool", "mean", "grow", "join", "join", "part", "add", "bend"]


@st.composite
def networks(draw: Any) -> tuple[DrawnNetwork, np.ndarray]:
    """A network in ``eval()`` and images for it."""
    small = st.integers(0, 13)
    move = st.builds(Move, st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 5), st.tuples(*[small] * 5))
    side = st.integers(1, 19)
    shape = (draw(st.integers(1, 2)), draw(st.sampled_from([1, 3, 16, 33])), draw(side), draw(side))
    net = DrawnNetwork(draw(st.lists(move, min_size=1, max_size=14)), shape, draw(st.integers(0, 999)))
    x = np.random.default_rng(draw(st.integers(0, 999))).normal(size=shape).astype(np.float32)
    return net, x
