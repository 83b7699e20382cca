"""A moving average of a network's parameters, which is steadier than the parameters themselves.

Polyak and Juditsky 1992; the ramp is that of YOLOv5: after every step ``average += (1 - d) (parameter - average)``,
with ``d = decay (1 - exp(-step / ramp))``, so that early steps, when everything still moves, count for little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from minidet_kernels.arrays import Array, namespace
from minidet_kernels.updates.pieces import pieces

from ..nn.module import Module


class Ema:
    """Averages of all floating parameters and buffers of ``model``; other buffers are copied.

    ``state`` holds the averages by name, arrays like the model's own; ``steps`` says how many steps went in.
    """

    def __init__(self, model: Module, *, decay: float = 0.999, ramp: float = 0.0) -> None:
        if not 0 <= decay < 1 or ramp < 0:
            raise ValueError(f"decay must lie in [0, 1) and ramp not be negative, found {decay} and {ramp}")
        self.model, self.decay, self.ramp, self.steps = model, decay, ramp, 0
        self.state: dict[str, Array] = {name: a.copy() for name, a in model.state_dict().items()}

    def decay_at(self, step: int) -> float:
        """How much of the average stays at the ``step``-th update, counted from 1."""
        return self.decay * (1 - math.exp(-step / self.ramp)) if self.ramp else self.decay

    def update(self) -> None:
        """Take in the parameters as they are now."""
        self.steps += 1
        share = 1 - self.decay_at(self.steps)
        for name, now in self.model.state_dict().items():
            average = self.state[name]
            if now.dtype.kind != "f":
                average[...] = now
                continue
            for a, p in pieces(average, now):
                step = p - a
                step *= share
                a += step

    def load(self, state: dict[str, Array], steps: int) -> None:
        """Go on from averages of an earlier run; ``KeyError`` unless the names are the model's."""
        if state.keys() != self.state.keys():
            raise KeyError(f"averages of other names: {sorted(state.keys() ^ self.state.keys())}")
        for name, a in state.items():
            self.state[name][...] = namespace(self.state[name]).asarray(a)
        self.steps = steps

    @contextmanager
    def swapped(self) -> Iterator[Module]:
        """The model with the averages in place of its parameters, inside the block."""
        tensors = self.model._state()
        kept = {name: t.data for name, t in tensors.items()}
        try:
            for name, t in tensors.items():
                t.data = self.state[name]
            yield self.model
        finally:
            for name, t in tensors.items():
                t.data = kept[name]
