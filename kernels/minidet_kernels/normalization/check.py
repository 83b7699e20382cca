"""The arguments of batch norm: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

import math

from ..arrays import Array, is_array, library

CHOICES = {
    "epsilon": ("inside", "outside"),
    "variance": ("biased", "unbiased"),
    "activation": ("leaky", "silu", "mish"),
}


def _options(where: str, **options: str) -> None:
    for name, value in options.items():
        if value not in CHOICES[name]:
            raise ValueError(f"{where}: {name} is {' or '.join(map(repr, CHOICES[name]))}, not {value!r}")


def _slope(where: str, slope: float) -> None:
    if not math.isfinite(slope):
        raise ValueError(f"{where}: slope must be finite, not {slope}")


def _maps(where: str, x: Array, **others: Array | None) -> None:
    """``x`` is (N, C, ...); ``g`` among the others has its shape, and the rest has one number per channel."""
    if not is_array(x):
        raise TypeError(f"{where}: x must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: x must be float32 or float64, not {x.dtype}; use x.astype(np.float32)")
    if x.ndim < 2:
        raise ValueError(f"{where}: x must have shape (N, C, ...), not {x.shape}")
    if x.shape[1] and x.size // x.shape[1] < 2:
        raise ValueError(
            f"{where}: x of shape {x.shape} has {x.size // x.shape[1]} value per channel; at least 2 are needed"
        )
    for name, a in others.items():
        if a is None:
            continue
        if library(a) != library(x):
            raise TypeError(f"{where}: x is on {library(x)} and {name} on {library(a)}; move them to one device")
        expected = x.shape if name == "g" else (x.shape[1],)
        if a.shape != expected:
            raise ValueError(f"{where}: x of shape {x.shape} goes with {name} of shape {expected}, not {a.shape}")
        if a.dtype.kind != "f" or (name == "g" and a.dtype != x.dtype):
            raise TypeError(f"{where}: {name} must be {x.dtype if name == 'g' else 'floating'}, not {a.dtype}")


def batch_norm_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> None:
    """Check the arguments of ``batch_norm_train``."""
    _options("batch_norm_train", epsilon=epsilon, variance=variance)
    _maps("batch_norm_train", x, weight=weight, bias=bias)


def batch_norm_grad(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
) -> None:
    """Check the arguments of ``batch_norm_grad``."""
    _options("batch_norm_grad", epsilon=epsilon, variance=variance)
    _maps("batch_norm_grad", x, g=g, weight=weight, mean=mean, var=var)


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
) -> None:
    """Check the arguments of ``batch_norm_act_train``."""
    _options("batch_norm_act_train", activation=activation, epsilon=epsilon, variance=variance)
    _slope("batch_norm_act_train", slope)
    _maps("batch_norm_act_train", x, weight=weight, bias=bias)


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
) -> None:
    """Check the arguments of ``batch_norm_act_grad``."""
    _options("batch_norm_act_grad", activation=activation, epsilon=epsilon, variance=variance)
    _slope("batch_norm_act_grad", slope)
    _maps("batch_norm_act_grad", x, g=g, weight=weight, bias=bias, mean=mean, var=var)
