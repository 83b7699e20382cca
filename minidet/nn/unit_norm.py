"""SSD's L2Norm."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from . import init
from .module import Module, Parameter


class L2Norm(Module):
    """Each place's vector of channels divided by its length, times ``weight`` (channels,), which begins as ``scale``.

    (N, channels, H, W) to the same.  Liu et al., "ParseNet" (2015), section 3.2; ``eps`` and ``epsilon`` as in
    ``minidet.functions.l2_normalize``.
    """

    def __init__(self, channels: int, *, scale: float = 20.0, eps: float = 1e-12, epsilon: str = "floor") -> None:
        self.weight = Parameter(init.constant((channels,), scale))
        self.eps, self.epsilon = eps, epsilon

    def forward(self, x: Any) -> Tensor:
        """The scaled maps."""
        y = F.l2_normalize(x, axis=1, eps=self.eps, epsilon=self.epsilon)
        return F.mul(y, F.reshape(self.weight, shape=(1, -1, 1, 1)))
