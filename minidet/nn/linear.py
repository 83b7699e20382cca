"""The fully connected layer, and layers without numbers of their own."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from . import init
from .module import Module, Parameter


class Linear(Module):
    """``x @ weight.T + bias``: (..., n_in) -> (..., n_out), with weight (n_out, n_in) and bias (n_out,) or ``None``."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True, rng: init.Rng = None) -> None:
        self.weight = Parameter(init.kaiming_uniform((n_out, n_in), rng=rng))
        self.bias = Parameter(init.zeros((n_out,))) if bias else None

    def forward(self, x: Any) -> Tensor:
        """The linear map of the last axis."""
        return F.linear(x, self.weight, self.bias)


class Flatten(Module):
    """(N, ...) -> (N, the product of the other sizes)."""

    def forward(self, x: Any) -> Tensor:
        """One row per image."""
        rest = 1
        for n in x.shape[1:]:
            rest *= n
        return F.reshape(x, shape=(x.shape[0], rest))


class Identity(Module):
    """What it is given, as it is."""

    def forward(self, x: Any) -> Any:
        """``x``."""
        return x
