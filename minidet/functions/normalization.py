"""Batch normalisation, with every choice that implementations make differently as a named option."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace
from minidet_kernels.normalization import batch_norm_grad, batch_norm_train
from minidet_kernels.normalization.fused import batch_norm_act_grad, batch_norm_act_train

from ..autograd import Vjp, differentiable
from .broadcasting import Result

#: The allowed values of each option, the default first.
OPTIONS = {
    "epsilon": ("inside", "outside"),
    "variance": ("biased", "unbiased"),
    "running_variance": ("unbiased", "biased"),
    "momentum_convention": ("torch", "keras"),
}


def check_options(**options: str) -> None:
    """Raise ``ValueError`` for an option of batch norm that has not one of its ``OPTIONS``."""
    for name, value in options.items():
        if value not in OPTIONS[name]:
            raise ValueError(f"batch norm: {name} is {' or '.join(map(repr, OPTIONS[name]))}, not {value!r}")


def deviation(var: Array, eps: float, epsilon: str) -> Array:
    """The number that a channel is divided by, in float64: ``sqrt(var + eps)`` or, outside, ``sqrt(var) + eps``.

    NaN where the root is of a negative number.
    """
    xp = namespace(var)
    var = var.astype(xp.float64)
    with np.errstate(invalid="ignore"):
        return xp.sqrt(var + eps) if epsilon == "inside" else xp.sqrt(var) + eps


@differentiable
def batch_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = False,
    eps: float = 1e-5,
    momentum: float = 0.1,
    epsilon: str = "inside",
    variance: str = "biased",
    running_variance: str = "unbiased",
    momentum_convention: str = "torch",
) -> Result:
    """``(x - mean) / deviation * weight + bias`` per channel (Ioffe and Szegedy 2015): x (N, C, ...), the others (C,).

    In training, mean and variance are those of ``x`` over all axes but the second, and ``running_mean`` and
    ``running_var`` (arrays, if given) are updated in place.  Otherwise they are the running ones.

    * ``epsilon="inside"``: the deviation is sqrt(var + eps) (torch, Keras, Darknet since 2020);
      ``"outside"``: sqrt(var) + eps (Darknet before).
    * ``variance``: the sum of squares that normalises in training is divided by n (``"biased"``) or by n - 1
      (``"unbiased"``, Darknet on the CPU).  ``running_variance`` says the same of what is kept (torch: unbiased).
    * ``momentum_convention="torch"``: new = (1 - momentum) old + momentum batch; ``"keras"``: the other way round.

    A running variance that is negative by more than eps makes its channel NaN, as in Darknet; a deviation of 0 makes
    it infinite or NaN.  With epsilon outside and all values of a channel equal, the gradient through the variance,
    which is infinite times 0, is taken as 0.  Raises ``ValueError`` for shapes that do not fit, and in training for
    a single value per channel, whose variance is meaningless.
    """
    check_options(
        epsilon=epsilon,
        variance=variance,
        running_variance=running_variance,
        momentum_convention=momentum_convention,
    )
    _check_shapes(x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if training:
        new = _share(momentum, momentum_convention)
        options = {"eps": eps, "epsilon": epsilon, "variance": variance}
        return _train(x, weight, bias, running_mean, running_var, new, running_variance, options)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm() outside training needs running_mean= and running_var=")
    return _infer(x, weight, bias, running_mean, running_var, eps, epsilon)


def _check_shapes(x: Array, **per_channel: Array | None) -> None:
    if x.ndim < 2:
        raise ValueError(f"batch_norm() of shape {x.shape}; (N, C, ...) is expected")
    for name, a in per_channel.items():
        if a is not None and a.shape != (x.shape[1],):
            raise ValueError(f"batch_norm() of shape {x.shape}: {name} has shape {a.shape}, not ({x.shape[1]},)")


def _column(a: Array, x: Array) -> Array:
    """Values per channel, in the dtype of ``x``, in a shape that broadcasts over it."""
    return a.astype(x.dtype, copy=False).reshape(-1, *(1,) * (x.ndim - 2))


def _infer(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, var: Array, eps: float, epsilon: str
) -> Result:
    others = (0, *range(2, x.ndim))
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / deviation(var, eps, epsilon)
        scale = inverse if weight is None else inverse * weight  # in float64: a few values, and the shift may cancel
        shift = -mean * scale if bias is None else bias - mean * scale
        y = x * _column(scale, x)
        y += _column(shift, x)

    def grad_weight(g: Array) -> Array:
        return (g * ((x - _column(mean, x)) * _column(inverse, x))).sum(axis=others)

    return y, (lambda g: g * _column(scale, g), grad_weight, lambda g: g.sum(axis=others))


def _train(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    new: float,
    running_variance: str,
    options: dict[str, Any],
) -> Result:
    y, mean, var = batch_norm_train(x, weight, bias, **options)
    _keep(x, mean, var, running_mean, running_var, new, running_variance)
    return y, _together(lambda g: batch_norm_grad(g, x, weight, mean, var, **options), 3)


def _share(momentum: float, momentum_convention: str) -> float:
    """How much of the batch's statistics goes into the running ones."""
    return momentum if momentum_convention == "torch" else 1 - momentum


def _keep(
    x: Array,
    mean: Array,
    var: Array,
    running_mean: Array | None,
    running_var: Array | None,
    new: float,
    running_variance: str,
) -> None:
    """Let the running statistics follow those of the batch, in place; ``new`` is the batch's share."""
    n = x.size // x.shape[1] if x.shape[1] else 0
    if running_mean is not None:
        running_mean[...] = (1 - new) * running_mean + new * mean
    if running_var is not None:
        kept = var * (n / (n - 1)) if running_variance == "unbiased" and n else var
        running_var[...] = (1 - new) * running_var + new * kept


@differentiable
def batch_norm_act(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    activation: str,
    slope: float = 0.1,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    eps: float = 1e-5,
    momentum: float = 0.1,
    epsilon: str = "inside",
    variance: str = "biased",
    running_variance: str = "unbiased",
    momentum_convention: str = "torch",
) -> Result:
    """``batch_norm(training=True)`` and then ``"leaky"`` (with ``slope``), ``"silu"`` or ``"mish"``, as one function.

    What lies between the two is not kept, but computed again for the gradient.  Raises as ``batch_norm``, and
    ``ValueError`` for another activation.
    """
    check_options(running_variance=running_variance, momentum_convention=momentum_convention)
    _check_shapes(x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    options: dict[str, Any] = {
        "activation": activation, "slope": slope, "eps": eps, "epsilon": epsilon, "variance": variance,
    }  # fmt: skip
    y, mean, var = batch_norm_act_train(x, weight, bias, **options)
    new = _share(momentum, momentum_convention)
    _keep(x, mean, var, running_mean, running_var, new, running_variance)
    return y, _together(lambda g: batch_norm_act_grad(g, x, weight, bias, mean, var, **options), 3)


def fuses_activation(x: Array, weight: Array | None, bias: Array | None, activation: str) -> bool:
    """Whether ``batch_norm_act`` of these arrays runs a kernel that does both at once.

    Where it does not, the two functions one after the other are faster, since they keep what lies between them.
    """
    return batch_norm_act_train.choose(x, weight, bias, activation=activation, eps=0.0) not in ("definition", "layers")


def _together(grads: Callable[[Array], tuple[Array, ...]], count: int) -> list[Vjp]:
    """One vjp for each input, of a function that computes all their gradients at once.

    ``backward`` calls those that are wanted in order, with the same ``g``, and every time the same ones.  So the first
    computes, and each later one takes its part, which is then forgotten; it is for this ``g`` and no other.
    """
    left: dict[int, tuple[Array, Array]] = {}

    def vjp(i: int, g: Array) -> Array:
        of, part = left.pop(i, (None, None))
        if of is g and part is not None:
            return part
        parts = grads(g)
        left.update((k, (g, parts[k])) for k in range(i + 1, count))
        return parts[i]

    return [partial(vjp, i) for i in range(count)]
