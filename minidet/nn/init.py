"""How parameters are filled when a layer is made.

Every layer that draws numbers takes ``rng``: a NumPy generator, a seed, or ``None`` for the generator of this module,
which starts from seed 0 (so that a script gives the same network every time) and is set by ``seed(n)``.  All draws
are float32; ``Module.astype`` converts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import numpy as np

Rng: TypeAlias = np.random.Generator | int | None
Shape: TypeAlias = Sequence[int]

_default = np.random.default_rng(0)
_skipped: ContextVar[bool] = ContextVar("skipped", default=False)


def seed(n: int) -> None:
    """Start the generator that is used where no ``rng`` is given anew from seed ``n``."""
    global _default
    _default = np.random.default_rng(n)


def generator(rng: Rng = None) -> np.random.Generator:
    """The generator that ``rng`` means."""
    return _default if rng is None else np.random.default_rng(rng)


@contextmanager
def skipped() -> Iterator[None]:
    """Make layers without drawing: their random parameters are zeros, to be loaded from a file."""
    token = _skipped.set(True)
    try:
        yield
    finally:
        _skipped.reset(token)


def zeros(shape: Shape) -> np.ndarray:
    """Zeros in float32."""
    return np.zeros(shape, np.float32)


def constant(shape: Shape, value: float) -> np.ndarray:
    """One value in float32."""
    return np.full(shape, value, np.float32)


def uniform(shape: Shape, low: float, high: float, rng: Rng = None) -> np.ndarray:
    """Uniform from ``low`` to ``high``."""
    if _skipped.get():
        return zeros(shape)
    drawn = generator(rng).random(shape, dtype=np.float32)
    drawn *= high - low
    drawn += low
    return drawn


def normal(shape: Shape, std: float, rng: Rng = None) -> np.ndarray:
    """Normal with mean 0 and standard deviation ``std``."""
    if _skipped.get():
        return zeros(shape)
    drawn = generator(rng).standard_normal(shape, dtype=np.float32)
    drawn *= std
    return drawn


def fans(shape: Shape) -> tuple[int, int]:
    """How many inputs each output of a weight (O, I, ...) has, and how many outputs each input has (per group)."""
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {tuple(shape)} has no fans; (O, I, ...) is expected")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _gain(slope: float) -> float:
    return math.sqrt(2 / (1 + slope**2))


def kaiming_uniform(shape: Shape, *, slope: float = 0.0, rng: Rng = None) -> np.ndarray:
    """Uniform with variance 2 / ((1 + slope^2) fan_in), for (leaky) ReLU after it (He et al. 2015)."""
    bound = _gain(slope) * math.sqrt(3 / max(fans(shape)[0], 1))
    return uniform(shape, -bound, bound, rng)


def kaiming_normal(shape: Shape, *, slope: float = 0.0, rng: Rng = None) -> np.ndarray:
    """Normal with variance 2 / ((1 + slope^2) fan_in), for (leaky) ReLU after it (He et al. 2015)."""
    return normal(shape, _gain(slope) / math.sqrt(max(fans(shape)[0], 1)), rng)


def xavier_uniform(shape: Shape, *, gain: float = 1.0, rng: Rng = None) -> np.ndarray:
    """Uniform with variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, rng)


def xavier_normal(shape: Shape, *, gain: float = 1.0, rng: Rng = None) -> np.ndarray:
    """Normal with variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    return normal(shape, gain * math.sqrt(2 / max(sum(fans(shape)), 1)), rng)
