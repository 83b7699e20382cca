"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from ..functions.normalization import batch_norm_act, check_options, fuses_activation
from . import init
from .module import Buffer, Module, Parameter


class BatchNorm2d(Module):
    """``minidet.functions.batch_norm`` with its parameters and running statistics, each (channels,).

    ``weight`` starts at 1, ``bias`` at 0, ``running_mean`` at 0 and ``running_var`` at 1.  In training each call
    normalises by the statistics of the batch and updates the running ones; in ``eval()`` the running ones are used.
    The options are those of the function; the defaults are torch's.
    """

    def __init__(
        self,
        channels: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        epsilon: str = "inside",
        variance: str = "biased",
        running_variance: str = "unbiased",
        momentum_convention: str = "torch",
    ) -> None:
        check_options(
            epsilon=epsilon,
            variance=variance,
            running_variance=running_variance,
            momentum_convention=momentum_convention,
        )
        self.weight = Parameter(init.constant((channels,), 1))
        self.bias = Parameter(init.zeros((channels,)))
        self.running_mean = Buffer(init.zeros((channels,)))
        self.running_var = Buffer(init.constant((channels,), 1))
        self.eps, self.momentum, self.epsilon, self.variance = eps, momentum, epsilon, variance
        self.running_variance, self.momentum_convention = running_variance, momentum_convention

    def forward(self, x: Any) -> Tensor:
        """The normalised maps (N, channels, ...)."""
        return F.batch_norm(x, self.weight, self.bias, training=self.training, **self._options())

    def then(self, x: Any, activation: str, *, slope: float = 0.1) -> Tensor:
        """The normalised maps after ``"leaky"`` (with ``slope``), ``"silu"`` or ``"mish"``.

        In training both are one function where there is a kernel for it, which is on a GPU; if ``forward`` has hooks,
        they are two.
        """
        data = x.data if isinstance(x, Tensor) else x
        plain = self.training and not self.__dict__.get("_forward_hooks")
        if plain and fuses_activation(data, self.weight.data, self.bias.data, activation):
            return batch_norm_act(x, self.weight, self.bias, activation=activation, slope=slope, **self._options())
        if activation == "leaky":
            return F.leaky_relu(self(x), slope=slope)
        return {"silu": F.silu, "mish": F.mish}[activation](self(x))

    def _options(self) -> dict[str, Any]:
        return {
            "running_mean": self.running_mean.data,
            "running_var": self.running_var.data,
            "eps": self.eps,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "variance": self.variance,
            "running_variance": self.running_variance,
            "momentum_convention": self.momentum_convention,
        }


class FrozenBatchNorm2d(BatchNorm2d):
    """Batch norm that never changes: scale, shift and statistics are all buffers, kept in files and not trained.

    It computes the same in training and in ``eval()``.  Detectors begin with such, since batches of two images say too
    little of their statistics; in torchvision's files it has the four arrays of ``BatchNorm2d`` under the same names.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5, epsilon: str = "inside") -> None:
        super().__init__(channels, eps=eps, epsilon=epsilon)
        self.weight = Buffer(self.weight.data)  # type: ignore[assignment]
        self.bias = Buffer(self.bias.data)  # type: ignore[assignment]

    def forward(self, x: Any) -> Tensor:
        """The normalised maps (N, channels, ...)."""
        return F.batch_norm(x, self.weight, self.bias, training=False, **self._options())

    def then(self, x: Any, activation: str, *, slope: float = 0.1) -> Tensor:
        """The normalised maps after an activation, as ``BatchNorm2d.then``."""
        if activation == "leaky":
            return F.leaky_relu(self(x), slope=slope)
        return {"silu": F.silu, "mish": F.mish}[activation](self(x))
