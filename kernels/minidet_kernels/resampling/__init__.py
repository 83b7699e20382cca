"""Resizing: a linear map along the rows and another along the columns.

    y[n, c, i, j] = sum_{a, b}  Wh[i, a] * Ww[j, b] * x[n, c, a, b]          Wh (oh, H), Ww (ow, W)

Conventions, by name.  Output i of m on an axis of n elements comes from coordinate

* ``"half_pixel"``: (i + 1/2) n/m - 1/2        (default for bilinear)
* ``"asymmetric"``: i n/m                      (default for nearest)
* ``"align_corners"``: i (n - 1)/(m - 1), and 0 for m = 1

where the scale n/m always follows from the two sizes.  A coordinate outside the input is moved to its border.
``"nearest"`` copies the element at that coordinate rounded: ``"floor"`` (default), ``"prefer_floor"`` (to the nearest,
halves down) or ``"prefer_ceil"`` (halves up).  ``"bilinear"`` weighs the two neighbours by distance; with
``antialias`` a triangle is stretched by n/m where the image shrinks.  Coordinates are exact rationals: no rounding
decides which element is nearest.

The gradient is the transpose of the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .axis import resolve, weights

HERE = __name__
GPU: Any = {"arrays": {"cupy"}, "needs": ("cupy",)}


@op(
    Impl(
        "numba_cuda",
        f"{HERE}.numba_cuda:resize",
        arrays={"cupy"},
        needs=("cupy", "numba.cuda"),
        limits="minidet_kernels.cuda.twins:takes_resize",
        doubts="minidet_kernels.cuda.twins:doubt",
    ),
    Impl("matmul", f"{HERE}.matmul:resize", arrays={"numpy", "cupy"}),
    Impl("repeat", f"{HERE}.repeat:resize", arrays={"numpy", "cupy"}, limits=check.whole_factor),
    Impl("gather", f"{HERE}.gather:resize", arrays={"numpy", "cupy"}, limits=check.nearest_only),
    Impl("numba", f"{HERE}.numba_cpu:resize", needs=("numba",)),
    Impl("columns", f"{HERE}.cuda:resize_columns", **GPU, limits=f"{HERE}.cuda:takes_columns"),
    Impl("taps", f"{HERE}.cuda:resize_linear", **GPU, limits=f"{HERE}.cuda:takes_linear"),
    Impl("bilinear", f"{HERE}.cuda:resize_bilinear", **GPU, limits=f"{HERE}.cuda:takes_bilinear"),
    Impl("places", f"{HERE}.cuda:resize_nearest", **GPU, limits=f"{HERE}.cuda:takes_nearest"),
    check=check.resize,
)
def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """Resize ``x`` (N, C, H, W), float32 or float64, to ``size`` (height, width), in the dtype of ``x``.

    ``mode`` is ``"nearest"`` or ``"bilinear"``; ``coordinates``, ``rounding`` (nearest only) and ``antialias``
    (bilinear, half_pixel only) are described at the head of this room.  ``x`` should be finite: an implementation may
    multiply any element of a row or a column by zero.

    Raises ``ValueError`` for a wrong shape, size or option, ``TypeError`` for another dtype.
    """
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(x.shape[2:], size, strict=True))
    return (rows @ x.astype(np.float64) @ columns.T).astype(x.dtype)  # (oh, H) (N, C, H, W) (W, ow)


@op(
    Impl("matmul", f"{HERE}.matmul:resize_grad_x", arrays={"numpy", "cupy"}),
    Impl("repeat", f"{HERE}.repeat:resize_grad_x", arrays={"numpy", "cupy"}, limits=check.whole_factor_grad),
    Impl("numba", f"{HERE}.numba_cpu:resize_grad_x", needs=("numba",)),
    Impl("taps", f"{HERE}.cuda:resize_grad_x_linear", **GPU, limits=f"{HERE}.cuda:takes_linear_grad"),
    Impl("nearest", f"{HERE}.cuda:resize_grad_x_nearest", **GPU, limits=f"{HERE}.cuda:takes_nearest_grad"),
    check=check.resize_grad_x,
)
def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """Send ``g`` (N, C, oh, ow) back to an input of ``shape`` (N, C, H, W): the transpose of ``resize``."""
    options = (mode, resolve(mode, coordinates), rounding, antialias)
    rows, columns = (weights(n, m, *options) for n, m in zip(shape[2:], g.shape[2:], strict=True))
    return (rows.T @ g.astype(np.float64) @ columns).astype(g.dtype)  # (H, oh) (N, C, oh, ow) (ow, W)
