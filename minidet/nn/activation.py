"""The activations as layers; what each computes is said by the function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import functions as F
from ..autograd import Tensor
from . import init
from .module import Module, Parameter


class _Pointwise(Module):
    """A function of one tensor without parameters."""

    function: ClassVar[Callable[[Any], Tensor]]

    def forward(self, x: Any) -> Tensor:
        """The activation of every element."""
        return type(self).function(x)


class ReLU(_Pointwise):
    """``max(x, 0)``."""

    function = staticmethod(F.relu)


class ReLU6(_Pointwise):
    """``min(max(x, 0), 6)``."""

    function = staticmethod(F.relu6)


class SELU(_Pointwise):
    """The scaled exponential linear unit."""

    function = staticmethod(F.selu)


class SiLU(_Pointwise):
    """``x * sigmoid(x)``, also called swish."""

    function = staticmethod(F.silu)


Swish = SiLU


class Mish(_Pointwise):
    """``x * tanh(softplus(x))``."""

    function = staticmethod(F.mish)


class HardSwish(_Pointwise):
    """``x * hardsigmoid(x)``."""

    function = staticmethod(F.hardswish)


class HardSigmoid(_Pointwise):
    """``min(max(x + 3, 0), 6) / 6``."""

    function = staticmethod(F.hardsigmoid)


class Sigmoid(_Pointwise):
    """``1 / (1 + exp(-x))``."""

    function = staticmethod(F.sigmoid)


class Tanh(_Pointwise):
    """The hyperbolic tangent."""

    function = staticmethod(F.tanh)


class Softplus(_Pointwise):
    """``log(1 + exp(x))``."""

    function = staticmethod(F.softplus)


class LeakyReLU(Module):
    """``x`` where positive, ``slope * x`` elsewhere; torch's slope is 0.01, Darknet's 0.1."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Any) -> Tensor:
        """The activation of every element."""
        return F.leaky_relu(x, slope=self.slope)


class PReLU(Module):
    """``x`` where positive, ``weight * x`` elsewhere, with ``weight`` (channels,) learned, or (1,) for all channels."""

    def __init__(self, channels: int = 1, slope: float = 0.25) -> None:
        self.weight = Parameter(init.constant((channels,), slope))

    def forward(self, x: Any) -> Tensor:
        """The activation of every element."""
        return F.prelu(x, self.weight)


class ELU(Module):
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        """The activation of every element."""
        return F.elu(x, alpha=self.alpha)


class GELU(Module):
    """``x`` times the normal distribution function at ``x``, or its approximation by ``"tanh"``."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        """The activation of every element."""
        return F.gelu(x, approximate=self.approximate)


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along ``axis``."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        """The probabilities."""
        return F.softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """The logarithm of the softmax along ``axis``."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        """The logarithms of the probabilities."""
        return F.log_softmax(x, axis=self.axis)
