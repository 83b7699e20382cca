"""Nearest upsampling in Numba CUDA, the readable twin of ``nearest.cu``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array, namespace
from ..cuda import cover
from ..cuda.numba_cuda import cuda, launch

BLOCK = 64


@cuda.jit
def _nearest(x: Any, y: Any) -> None:
    """A thread for each element of ``y`` (planes, oh, ow): the one of ``x`` (planes, H, W) at i H / oh, j W / ow."""
    place = cuda.grid(1)
    if place < y.size:
        oh, ow = y.shape[1], y.shape[2]
        plane, i, j = place // (oh * ow), place // ow % oh, place % ow
        y[plane, i, j] = x[plane, i * x.shape[1] // oh, j * x.shape[2] // ow]


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize`` for ``mode="nearest"``, coordinates ``"asymmetric"`` rounded down."""
    n, c, h, w = x.shape
    y = namespace(x).empty((n, c, *size), x.dtype)
    launch(_nearest, cover(y.size, BLOCK), BLOCK, (x.reshape(n * c, h, w), y.reshape(n * c, *size)))
    return y
