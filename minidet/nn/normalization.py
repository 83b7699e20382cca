"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from ..functions.normalization import check_options
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
        return F.batch_norm(
            x,
            self.weight,
            self.bias,
            running_mean=self.running_mean.data,
            running_var=self.running_var.data,
            training=self.training,
            eps=self.eps,
            momentum=self.momentum,
            epsilon=self.epsilon,
            variance=self.variance,
            running_variance=self.running_variance,
            momentum_convention=self.momentum_convention,
        )
