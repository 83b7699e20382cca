"""Gradients kept within bounds, and the question whether they are finite."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from minidet_kernels.arrays import namespace, to_numpy

from ..autograd import Tensor


def gradient_norm(parameters: Iterable[Tensor]) -> float:
    """The Euclidean norm of all gradients together, added up in float64; NaN or infinite when one of them is.

    Finite gradients have a finite norm (but for float64 above 1e154): squares are taken of the gradient divided by
    its largest magnitude.
    """
    total = 0.0
    for p in parameters:
        if p.grad is None or not p.grad.size:
            continue
        flat = p.grad.reshape(-1)
        with np.errstate(over="ignore"):
            square = float(to_numpy(namespace(flat).matmul(flat, flat)))
        if not math.isfinite(square) or (square < 1e-30):  # of float32: too large or too small to be squared
            wide = flat.astype(np.float64)
            square = float(to_numpy(namespace(wide).matmul(wide, wide)))
        total += square
    return math.sqrt(total)


def clip_norm(parameters: Iterable[Tensor], most: float) -> float:
    """Shorten all gradients together to a norm of ``most`` when they are longer; their norm before.

    Pascanu, Mikolov and Bengio 2013.  Gradients that are not finite are left as they are: look at what is returned.
    """
    if not most > 0:
        raise ValueError(f"the largest norm must be above 0, found {most}")
    parameters = list(parameters)
    norm = gradient_norm(parameters)
    if math.isfinite(norm) and norm > most:
        for p in parameters:
            if p.grad is not None:
                p.grad *= p.grad.dtype.type(most / norm)
    return norm


def clip_value(parameters: Iterable[Tensor], most: float) -> None:
    """Cut every number of every gradient to [-most, most], in place; NaN stays NaN."""
    if not most > 0:
        raise ValueError(f"the largest value must be above 0, found {most}")
    for p in parameters:
        if p.grad is not None:
            namespace(p.grad).clip(p.grad, -most, most, out=p.grad)
