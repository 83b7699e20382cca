"""IoU in Numba CUDA, the readable twin of ``iou_matrix.cu``: bitwise the definition."""

from __future__ import annotations

from typing import Any

from numba import float32

from ..arrays import Array, namespace
from ..cuda import cover, f4
from ..cuda.numba_cuda import cuda, launch, product
from .check import EMPTY

#: A block makes TILE x TILE quotients, a thread each; four of its columns of threads load the boxes.
TILE = 8


@cuda.jit(device=True)
def side(low: Any, high: Any, pixel: Any) -> Any:
    """The length of a side, at least 0; a NaN stays one."""
    length, zero = high - low + pixel, pixel - pixel  # 0.0 would be a float64
    return zero if length < zero else length


@cuda.jit(device=True)
def greater(a: Any, b: Any) -> Any:
    """As ``numpy.maximum``: NaN if either is."""
    return a if a > b or a != a else b


@cuda.jit(device=True)
def lesser(a: Any, b: Any) -> Any:
    """As ``numpy.minimum``: NaN if either is."""
    return a if a < b or a != a else b


@cuda.jit(device=True)
def iou(a: Any, b: Any, pixel: Any, empty: Any) -> Any:
    """IoU of two boxes ``x1 y1 x2 y2``, one rounding per operation, in the order of the definition."""
    inter = product(
        side(greater(a[0], b[0]), lesser(a[2], b[2]), pixel), side(greater(a[1], b[1]), lesser(a[3], b[3]), pixel)
    )
    area_a = product(side(a[0], a[2], pixel), side(a[1], a[3], pixel))
    area_b = product(side(b[0], b[2], pixel), side(b[1], b[3], pixel))
    union = area_a + area_b - inter
    return empty if union == pixel - pixel else inter / union


@cuda.jit
def _matrix(a: Any, b: Any, out: Any, pixel: Any, empty: Any) -> None:
    rows = cuda.shared.array((TILE, 4), float32)
    columns = cuda.shared.array((TILE, 4), float32)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    first_i, first_j = cuda.blockIdx.y * TILE, cuda.blockIdx.x * TILE
    if x < 4 and first_i + y < a.shape[0]:
        rows[y, x] = a[first_i + y, x]
    if x >= 4 and first_j + y < b.shape[0]:
        columns[y, x - 4] = b[first_j + y, x - 4]
    cuda.syncthreads()
    i, j = first_i + y, first_j + x
    if i < a.shape[0] and j < b.shape[0]:
        out[i, j] = iou(rows[y], columns[x], pixel, empty)


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> Array:
    """As ``minidet_kernels.iou_matrix``."""
    m, n = len(a), len(b)
    made = namespace(a).empty((m, n), a.dtype) if out is None else out
    args = (a, b, made, f4(width == "inclusive"), f4(EMPTY[empty]))
    launch(_matrix, (cover(n, TILE), cover(m, TILE)), (TILE, TILE), args)
    return made
