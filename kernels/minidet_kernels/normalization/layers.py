"""Batch norm and the activation after it, one operator after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from . import batch_norm_grad, batch_norm_train, deviation, values
from .fused import functions
from .whole import _column


def batch_norm_act_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    activation: str,
    slope: float = 0.1,
    **options: Any,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.fused.batch_norm_act_train``."""
    u, mean, var = batch_norm_train(x, weight, bias, **options)
    return functions(activation, slope)[0](u), mean, var


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
    **options: Any,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.fused.batch_norm_act_grad``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (1 if weight is None else weight) / deviation(var, values(x), **options)
        rounded = mean.astype(x.dtype)
        u = (x - _column(rounded, x)) * _column(scale, x)
        u += _column((0 if bias is None else bias) - (mean - rounded) * scale, x)
    return batch_norm_grad(functions(activation, slope)[1](g, u), x, weight, mean, var, **options)
