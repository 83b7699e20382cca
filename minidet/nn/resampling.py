"""Enlarging feature maps."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from .module import Module


class Upsample(Module):
    """Enlarge by a whole ``factor`` (or a pair): (N, C, H, W) -> (N, C, factor H, factor W).

    ``mode`` is ``"nearest"`` or ``"bilinear"``; ``coordinates`` as in ``minidet.functions.resize``.
    """

    def __init__(self, factor: int | tuple[int, int], mode: str = "nearest", coordinates: str | None = None) -> None:
        self.factor, self.mode, self.coordinates = factor, mode, coordinates

    def forward(self, x: Any) -> Tensor:
        """The enlarged maps."""
        return F.upsample(x, factor=self.factor, mode=self.mode, coordinates=self.coordinates)
