"""Darknet's activation functions by the names that cfgs use (activations.h in pjreddie's and AlexeyAB's Darknet)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from minidet_kernels.arrays import Array, namespace

from .. import functions as F
from ..autograd import Tensor, differentiable

Activation = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """``x`` itself."""
    return x


def loggy(x: Tensor) -> Tensor:
    """2 / (1 + exp(-x)) - 1."""
    return F.sub(F.mul(F.sigmoid(x), 2.0), 1.0)


def leaky(x: Tensor) -> Tensor:
    """The identity above 0, x / 10 below; the slope at 0 is 1/10."""
    return F.leaky_relu(x, slope=0.1)


def relie(x: Tensor) -> Tensor:
    """The identity above 0, x / 100 below."""
    return F.leaky_relu(x, slope=0.01)


def ramp(x: Tensor) -> Tensor:
    """relu(x) + x / 10."""
    return F.add(F.relu(x), F.mul(x, 0.1))


def gelu(x: Tensor) -> Tensor:
    """The tanh form, with Darknet's rounded constants: x/2 (1 + tanh(0.797885 x + 0.035677 x^3))."""
    cube = F.mul(F.mul(x, x), x)
    inner = F.add(F.mul(x, 0.797885), F.mul(cube, 0.035677))
    return F.mul(F.mul(x, 0.5), F.add(F.tanh(inner), 1.0))


def selu(x: Tensor) -> Tensor:
    """1.0507 x from 0 on, 1.0507 * 1.6732 (exp(x) - 1) below: Darknet's rounded constants."""
    below = F.mul(F.elu(F.minimum(x, 0.0)), 1.0507 * 1.6732)
    return F.add(F.mul(F.relu(x), 1.0507), below)


def hardtan(x: Tensor) -> Tensor:
    """Clipped to [-1, 1]."""
    return F.clip(x, low=-1.0, high=1.0)


def lhtan(x: Tensor) -> Tensor:
    """Clipped to [0, 1], with slope 1/1000 outside."""
    inside = F.clip(x, low=0.0, high=1.0)
    return F.add(inside, F.mul(F.sub(x, inside), 0.001))


def plse(x: Tensor) -> Tensor:
    """A line, x / 8 + 1/2, on [-4, 4], with slope 1/100 outside (continued from 0 at -4 and from 1 at 4)."""
    inside = F.clip(x, low=-4.0, high=4.0)
    return F.add(F.add(F.mul(inside, 0.125), 0.5), F.mul(F.sub(x, inside), 0.01))


@differentiable
def stair(x: Array) -> tuple[Array, tuple[Callable[[Array], Array]]]:
    """floor(x / 2), plus x - floor(x) where floor(x) is odd; the slope is 1 there and 0 elsewhere."""
    xp = namespace(x)
    floor = xp.floor(x)
    odd = (floor % 2 != 0).astype(x.dtype)
    return x * odd + (xp.floor(x / 2) - floor * odd), (lambda g: g * odd,)


def hard_mish(x: Tensor) -> Tensor:
    """0 up to -2, x^2 / 2 + x up to 0, x above."""
    low = F.clip(x, low=-2.0, high=0.0)
    return F.add(F.relu(x), F.add(F.mul(F.mul(low, low), 0.5), low))


#: Every activation that a cfg may name, but the ``normalize_channels`` family, which mixes channels.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "linear": linear,
        "logistic": F.sigmoid,
        "loggy": loggy,
        "relu": F.relu,
        "elu": F.elu,
        "selu": selu,
        "relu6": F.relu6,
        "gelu": gelu,
        "leaky": leaky,
        "tanh": F.tanh,
        "hardtan": hardtan,
        "lhtan": lhtan,
        "ramp": ramp,
        "relie": relie,
        "plse": plse,
        "stair": stair,
        "mish": F.mish,
        "swish": F.silu,
        "hard_mish": hard_mish,
    }
)

#: The activations that a batch norm can do at once (``nn.BatchNorm2d.then``), by its names.
AFTER_BATCH_NORM: Mapping[Activation, str] = MappingProxyType({leaky: "leaky", F.silu: "silu", F.mish: "mish"})
