"""Launchers of batch norm with the activation after it: the kernels of ``cuda.py``, by another function."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from . import cuda


def batch_norm_act_train(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, slope: float = 0.1, **options: Any
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.fused.batch_norm_act_train``."""
    return cuda.batch_norm_train(x, weight, bias, slope=slope, **options)


def batch_norm_act_grad(
    g: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    *,
    slope: float = 0.1,
    **options: Any,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.fused.batch_norm_act_grad``."""
    return cuda.batch_norm_grad(g, x, weight, mean, var, bias=bias, slope=slope, **options)
