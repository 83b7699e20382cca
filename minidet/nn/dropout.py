"""Layers that remove activations at random in training, and are the identity in ``eval()``."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from . import init
from .module import Module


class Dropout(Module):
    """In training, set elements to 0 with probability ``rate`` and divide the others by 1 - rate.

    ``rng`` is a NumPy generator, a seed (of the layer's own generator), or ``None`` for that of ``nn.init``.
    """

    def __init__(self, rate: float = 0.5, *, rng: init.Rng = None) -> None:
        self.rate = rate
        self.rng = None if rng is None else init.generator(rng)

    def forward(self, x: Any) -> Any:
        """``x`` with some elements removed, or ``x`` itself."""
        return F.dropout(x, rate=self.rate, rng=init.generator(self.rng)) if self.training and self.rate else x


class DropBlock(Module):
    """In training, set square blocks of each map to 0 and scale the rest up; ``rng`` as in ``Dropout``."""

    def __init__(self, rate: float = 0.1, block: int = 7, *, rng: init.Rng = None) -> None:
        self.rate, self.block = rate, block
        self.rng = None if rng is None else init.generator(rng)

    def forward(self, x: Any) -> Any:
        """``x`` (N, C, H, W) with some blocks removed, or ``x`` itself."""
        if not self.training or not self.rate:
            return x
        return F.drop_block(x, rate=self.rate, block=self.block, rng=init.generator(self.rng))
