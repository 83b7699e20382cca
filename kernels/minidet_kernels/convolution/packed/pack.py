"""What the packed convolutions have in common: filters laid out in panels, and what follows the sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ..geometry import Pair
from .epilogue import CODES
from .maps import Border, Map, aligned
from .tiles import columns, whole

#: The most pixels or tiles of a table of addresses.
TABLE = 96


@dataclass(frozen=True)
class Step:
    """What a program does at a time: a kind, a row of integers that the kind knows how to read, and a slope.

    ``private`` numbers of memory for each thread, ``shared`` for all; ``held`` is what the addresses in the row belong
    to.
    """

    kind: int
    row: Sequence[int]
    held: tuple[Any, ...]
    slope: Any = 1.0
    private: int = 0
    shared: int = 0


@dataclass(frozen=True)
class Epilogue:
    """``activation(y + residual)`` or, with ``after``, ``activation(y) + residual``; see ``conv2d_fused``."""

    activation: str = "linear"
    slope: float = 0.1
    after: bool = True

    @property
    def code(self) -> int:
        """The number of the activation for ``epilogue.finish``."""
        return CODES[self.activation]

    @property
    def bend(self) -> Any:
        """What values below 0 are multiplied by, in float32."""
        return np.float32({"linear": 1.0, "relu": 0.0}.get(self.activation, self.slope))


@dataclass(frozen=True)
class Geometry:
    """Where a filter lies on the map: size, stride, padding and dilation, (vertical, horizontal)."""

    size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def border(self, shape: tuple[int, int], out: tuple[int, int]) -> Border:
        """The zeros that the windows of ``out`` outputs touch around a map of ``shape``."""
        after = [
            max(0, (o - 1) * s + d * (k - 1) + 1 - p - n)
            for n, o, k, s, p, d in zip(shape, out, self.size, self.stride, self.padding, self.dilation, strict=True)
        ]
        return Border(*self.padding, *after)


def panels(matrix: np.ndarray) -> np.ndarray:
    """(..., depth, O) as (panels, ..., depth, columns), filled up with zeros."""
    *front, filters = matrix.shape
    width = columns(filters)
    out = aligned((whole(filters) // width, *front, width))
    for p in range(len(out)):
        some = matrix[..., p * width : (p + 1) * width]
        out[p, ..., : some.shape[-1]] = some
    return out


def padded(bias: np.ndarray | None, filters: int) -> np.ndarray:
    """The biases of whole panels: zeros where there is none."""
    out = aligned((whole(filters),))
    if bias is not None:
        out[:filters] = bias
    return out


def places(y: Map, residual: Map | None) -> tuple[int, ...]:
    """Address and steps of the outputs and of the residual, if any."""
    r = (0, 0, 0, 0) if residual is None else (residual.address, *residual.steps)
    return (y.address, *y.steps, *r)


@njit(cache=True)
def address(a: Any) -> Any:
    """Where an array begins; signed, because unsigned plus signed is a float to Numba."""
    return np.int64(a.ctypes.data)
