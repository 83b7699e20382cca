"""Batch norm in training and the activation after it, as one operator, and back through both.

    y  =  f(u)        u  =  weight (x - mean) / sigma + bias

Done one after the other, u is written, read again, and kept for the way back; fused, it lives in registers, and the way
back computes it from x again.  On a GPU, where such layers take as long as memory does, that is 3 passes over the maps
instead of 5, and 5 instead of 8 back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import numpy as np

from .. import activation as room
from ..arrays import Array
from ..table import Impl, op
from . import batch_norm_grad, batch_norm_train, check, deviation, values

HERE = "minidet_kernels.normalization"
CUDA = f"{HERE}.cuda"


def functions(activation: str, slope: float) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """The operators that compute an activation, and its gradient."""
    if activation == "leaky":
        return partial(room.leaky_relu, slope=slope), partial(room.leaky_relu_grad, slope=slope)
    return PLAIN[activation]


PLAIN = MappingProxyType({"silu": (room.silu, room.silu_grad), "mish": (room.mish, room.mish_grad)})


def _definitions(activation: str, slope: float) -> tuple[Callable[..., Array], Callable[..., Array]]:
    if activation == "leaky":
        return (
            partial(room.leaky_relu.definition, slope=slope),
            partial(room.leaky_relu_grad.definition, slope=slope),
        )
    value, grad = PLAIN[activation]
    return value.definition, grad.definition


@op(
    Impl("layers", f"{HERE}.layers:batch_norm_act_train", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:batch_norm_act_train", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes"),
    check=check.batch_norm_act_train,
)
def batch_norm_act_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    activation: str,
    slope: float = 0.1,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> tuple[Array, Array, Array]:
    """``batch_norm_train`` and then ``activation``: ``"leaky"`` (with ``slope``), ``"silu"`` or ``"mish"``.

    Arrays, options, results and errors as of ``batch_norm_train``; and ``ValueError`` for another activation.
    """
    x64 = x.astype(np.float64)
    u, mean, var = batch_norm_train.definition(x64, weight, bias, eps=eps, epsilon=epsilon, variance=variance)
    return _definitions(activation, slope)[0](u).astype(x.dtype), mean, var


@op(
    Impl("layers", f"{HERE}.layers:batch_norm_act_grad", arrays={"numpy", "cupy"}),
    Impl("cuda", f"{CUDA}:batch_norm_act_grad", arrays={"cupy"}, needs=("cupy",), limits=f"{CUDA}:takes_grad"),
    check=check.batch_norm_act_grad,
)
def batch_norm_act_grad(
    g: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    *,
    activation: str,
    slope: float = 0.1,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> tuple[Array, Array, Array]:
    """Send ``g`` (N, C, ...) back through ``batch_norm_act_train``: the gradients by ``x``, ``weight`` and ``bias``.

    ``mean`` and ``var`` are what it returned for ``x``; results as of ``batch_norm_grad``.
    """
    column, x64 = (-1, *(1,) * (x.ndim - 2)), x.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = deviation(var, values(x), eps, epsilon, variance)
        u = (x64 - mean.reshape(column)) / sigma.reshape(column) * (1 if weight is None else weight.reshape(column))
        u = u + (0 if bias is None else bias.reshape(column))
    h = _definitions(activation, slope)[1](g.astype(np.float64), u.astype(np.float64))
    dx, of_weight, of_bias = batch_norm_grad.definition(
        h, x64, weight, mean, var, eps=eps, epsilon=epsilon, variance=variance
    )
    return dx.astype(x.dtype), of_weight, of_bias
