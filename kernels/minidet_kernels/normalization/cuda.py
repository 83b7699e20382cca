"""Launchers of batch norm's CUDA kernels, also with an activation: ``moments.cu``, ``normalise.cu`` and ``back.cu``.

Forward x is read twice and y written once; back g and x are read twice and the gradient written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4, too_large
from . import values

THREADS, BLOCKS = 256, 4096  # so many blocks fill any GPU of today; each goes on where there is more
PART = 8192  # numbers of a channel that a block sums up; it decides the order of the sums
FUNCTIONS = {"linear": "Linear", "leaky": "Leaky", "silu": "SiLU", "mish": "Mish"}
C_TYPES = {"f": "float", "d": "double"}

_NUMBERS, _FLAGS = tuple(C_TYPES.values()), ("false", "true")
_OF_NUMBERS = [f"{name}<{number}>" for name in FUNCTIONS.values() for number in _NUMBERS]
MOMENTS = Source(
    __file__,
    "moments.cu",
    instances=[f"moments<{t}, {packed}>" for t in _NUMBERS for packed in _FLAGS]
    + [f"moments_line<{t}, {w}>" for t in _NUMBERS for w in _NUMBERS],
    THREADS=THREADS,
)
NORMALISE = Source(__file__, "normalise.cu", instances=[f"normalise<{f}>" for f in _OF_NUMBERS], THREADS=THREADS)
BACK = Source(
    __file__,
    "back.cu",
    instances=[f"back_sums<{f}, {packed}>" for f in _OF_NUMBERS for packed in _FLAGS]
    + [f"{name}<{t}, {w}>" for name in ("lines", "back_line") for t in _NUMBERS for w in _NUMBERS]
    + [f"back_apply<{f}>" for f in _OF_NUMBERS],
    THREADS=THREADS,
)


def takes(x: Array, *others: Any, **options: Any) -> str | None:
    """Why the kernels refuse these maps, or ``None``."""
    return too_large(x=x.size)


def takes_grad(g: Array, x: Array, *others: Any, **options: Any) -> str | None:
    """Why the kernels of the gradient refuse these maps, or ``None``."""
    return too_large(x=x.size)


@dataclass(frozen=True)
class Maps:
    """The sizes of maps (N, C, L), and how the work on them is divided."""

    x: Array

    @property
    def channels(self) -> int:
        return self.x.shape[1]

    @property
    def length(self) -> int:
        return self.x.size // (self.x.shape[0] * self.x.shape[1])

    @property
    def number(self) -> str:
        """What C calls a number of the maps."""
        return C_TYPES[self.x.dtype.char]

    @property
    def packed(self) -> str:
        """Whether every map is whole packs of 16 bytes, as C writes it."""
        return _FLAGS[self.length * self.x.itemsize % 16 == 0]

    @property
    def part(self) -> int:
        """How many numbers of a channel a block takes: a multiple of 4, and so many that there are blocks enough."""
        return max(PART, 4 * cover(values(self.x), 4 * 65535))

    @property
    def splits(self) -> int:
        """How many blocks share a channel."""
        return cover(values(self.x), self.part)

    @property
    def counts(self) -> tuple[Any, Any]:
        """C and L as kernels take them."""
        return np.uint32(self.channels), np.uint32(self.length)

    @property
    def blocks(self) -> int:
        """How many blocks go over all numbers."""
        return min(BLOCKS, cover(self.x.nbytes, 16 * THREADS))


def _parameters(*given: Array | None) -> tuple[str, tuple[Array | None, ...]]:
    """Weight and bias in one dtype that the kernels take, and its name in C."""
    if all(a is None or a.dtype.char == "f" for a in given):
        return "float", tuple(a if a is None else dense(a) for a in given)
    return "double", tuple(a if a is None else dense(a.astype(np.float64, copy=False)) for a in given)


def _options(eps: float, epsilon: str, variance: str) -> tuple[Any, ...]:
    return np.float64(eps), i4(epsilon == "outside"), i4(variance == "unbiased")


def batch_norm_train(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
    epsilon: str = "inside",
    variance: str = "biased",
    activation: str = "linear",
    slope: float = 0.0,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.batch_norm_train``; ``activation`` is one of ``FUNCTIONS``."""
    xp, y = namespace(x), namespace(x).empty(x.shape, x.dtype)
    mean, var = xp.empty(x.shape[1], np.float64), xp.empty(x.shape[1], np.float64)
    if not x.size:
        return y, mean, var
    x, maps, n = dense(x, 16), Maps(x), values(x)
    sums = xp.empty((maps.channels, maps.splits, 2), np.float64)
    guesses, table = xp.empty(maps.channels, x.dtype), xp.empty((3, maps.channels), x.dtype)
    sizes = (*maps.counts, np.uint32(n), np.uint32(maps.part))
    MOMENTS(f"moments<{maps.number}, {maps.packed}>", (maps.channels, maps.splits), THREADS, (x, sums, guesses, *sizes))
    kind, parameters = _parameters(weight, bias)
    options = (i4(maps.splits), np.float64(n), *_options(eps, epsilon, variance))
    MOMENTS(
        f"moments_line<{maps.number}, {kind}>",
        maps.channels,
        32,
        (sums, guesses, *parameters, mean, var, table, *options),
    )
    function = f"{FUNCTIONS[activation]}<{maps.number}>"
    of_all = (x.dtype.type(slope), *maps.counts, np.uint32(x.size))
    NORMALISE(f"normalise<{function}>", maps.blocks, THREADS, (x, table, y, *of_all))
    return y, mean, var


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
    bias: Array | None = None,
    activation: str = "linear",
    slope: float = 0.0,
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.batch_norm_grad``; ``bias`` and ``activation`` as they were forward."""
    xp, dx = namespace(x), namespace(x).empty(x.shape, x.dtype)
    of_weight, of_bias = xp.empty(x.shape[1], np.float64), xp.empty(x.shape[1], np.float64)
    if not x.size:
        return dx, of_weight, of_bias
    g, x, maps, n = dense(g, 16), dense(x, 16), Maps(x), values(x)
    mean, var = (dense(a.astype(np.float64, copy=False)) for a in (mean, var))
    kind, parameters = _parameters(weight, bias)
    options, parameter = (np.float64(n), *_options(eps, epsilon, variance)), x.dtype.type(slope)
    sums = xp.empty((maps.channels, maps.splits, 2), np.float64)
    table = xp.empty((5, maps.channels), x.dtype)
    of_channels = f"<{maps.number}, {kind}>"
    BACK(
        f"lines{of_channels}",
        cover(maps.channels, THREADS),
        THREADS,
        (*parameters, mean, var, table, maps.counts[0], *options),
    )
    function = f"{FUNCTIONS[activation]}<{maps.number}>"
    sizes = (*maps.counts, np.uint32(n), np.uint32(maps.part))
    BACK(
        f"back_sums<{function}, {maps.packed}>",
        (maps.channels, maps.splits),
        THREADS,
        (g, x, table, sums, parameter, *sizes),
    )
    BACK(
        f"back_line{of_channels}",
        maps.channels,
        32,
        (sums, parameters[0], mean, var, of_weight, of_bias, table, i4(maps.splits), *options),
    )
    of_all = (parameter, *maps.counts, np.uint32(x.size))
    BACK(f"back_apply<{function}>", maps.blocks, THREADS, (g, x, table, dx, *of_all))
    return dx, of_weight, of_bias


def batch_norm_act_train(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, slope: float = 0.1, **options: Any
) -> tuple[Array, Array, Array]:
    """See ``minidet_kernels.normalization.fused.batch_norm_act_train``."""
    return batch_norm_train(x, weight, bias, slope=slope, **options)


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
    return batch_norm_grad(g, x, weight, mean, var, bias=bias, slope=slope, **options)
