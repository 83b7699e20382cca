"""Pooling: the maximum, or the mean, of each window of each channel.

    y[n, c, i, j] = max or mean of  x[n, c, i*s - p + u, j*s - p + v]   over 0 <= u < kh, 0 <= v < kw inside the input

Conventions, by name, of where the windows lie along an axis of n elements (k size, s stride, p padding):

* ``"torch"``: p elements on both sides, ``floor((n + 2p - k) / s) + 1`` windows; p is at most k // 2.
* ``"caffe"``: p on both sides, ``ceil((n + 2p - k) / s) + 1`` windows, less the last if it starts in the padding behind
  (torch's ``ceil_mode=True``).
* ``"darknet"``: p is the *total*, ``p // 2`` of it in front; ``floor((n + p - k) / s) + 1`` windows; p is k - 1 unless
  given.  So size 2 with stride 1 keeps 13 at 13, and size 2 with stride 2 makes 3 of 5.

The padding never wins a maximum (it is minus infinity, not zero), and no window may lie in the padding alone.
The gradient of ``max_pool2d`` goes to one element per window, the first maximum in row-major order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..table import Impl, op
from . import check
from .windows import Pair, axes

HERE = __name__
GPU: Any = {"arrays": {"cupy"}, "needs": ("cupy",)}


@op(
    Impl("shift", f"{HERE}.shift:max_pool2d", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:max_pool2d", needs=("numba",)),
    Impl("windows", f"{HERE}.cuda:max_pool2d", **GPU, limits=f"{HERE}.cuda:takes_max"),
    Impl(
        "tiled",
        f"{HERE}.cuda:max_pool2d_tiled",
        **GPU,
        limits=f"{HERE}.cuda:takes_tiles",
        doubts=f"{HERE}.cuda:doubts_overlap",
    ),
    check=check.max_pool2d,
)
def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> tuple[Array, Array]:
    """Maximum of each window: ``(y, index)``, both (N, C, oh, ow).

    ``x`` is (N, C, H, W), float32 or float64; ``y`` has its dtype.  ``index`` (int64) is where the maximum was found,
    ``row * W + column``: the first one in row-major order, or the first NaN, since a NaN in the window makes ``y`` NaN.
    ``size``, ``stride`` (default: ``size``) and ``padding`` are integers or (vertical, horizontal); ``convention`` is
    ``"torch"``, ``"caffe"`` or ``"darknet"``, see the head of this room.

    Raises ``ValueError`` for a wrong rank, option, or window, ``TypeError`` for another dtype.
    """
    (N, C, _, W), (rows, columns) = x.shape, axes(x.shape, size, stride, padding, convention)
    y, index = (np.empty((N, C, rows.out, columns.out), dtype) for dtype in (x.dtype, np.int64))
    for i, j in np.ndindex(rows.out, columns.out):
        (top, bottom), (left, right) = rows.span(i), columns.span(j)
        window = x[:, :, top:bottom, left:right].reshape(N, C, (bottom - top) * (right - left))
        first = window.argmax(axis=2)
        y[:, :, i, j] = np.take_along_axis(window, first[:, :, None], axis=2)[:, :, 0]
        index[:, :, i, j] = (top + first // (right - left)) * W + left + first % (right - left)
    return y, index


@op(
    Impl("bincount", f"{HERE}.shift:max_pool2d_grad_x", arrays={"numpy", "cupy"}),
    Impl("numba", f"{HERE}.numba_cpu:max_pool2d_grad_x", needs=("numba",)),
    Impl("tiles", f"{HERE}.cuda:max_pool2d_grad_x", **GPU, limits=f"{HERE}.cuda:takes_max_grad"),
    check=check.max_pool2d_grad_x,
)
def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> Array:
    """Send ``g`` (N, C, oh, ow) back to where ``index`` found the maxima; overlapping windows add up.

    ``index`` is what ``max_pool2d`` returned for an input of ``shape`` (N, C, H, W).  Raises ``ValueError`` when they
    do not fit together.
    """
    N, C, H, W = shape
    x = np.zeros((N, C, H * W))
    n, c, _, _ = np.ogrid[:N, :C, :1, :1]
    np.add.at(x, (n, c, index), g)
    return x.reshape(N, C, H, W).astype(g.dtype)


@op(
    Impl("separable", f"{HERE}.separable:avg_pool2d", arrays={"numpy", "cupy"}),
    Impl("windows", f"{HERE}.cuda:avg_pool2d", **GPU, limits=f"{HERE}.cuda:takes_avg"),
    check=check.avg_pool2d,
)
def avg_pool2d(
    x: Array,
    *,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window: (N, C, oh, ow) in the dtype of ``x`` (N, C, H, W), float32 or float64.

    The sum is divided by the window's elements, padding included (``count_include_pad=True``; a window is cut where the
    padding ends) or by those inside the input.  ``convention`` is ``"torch"`` or ``"caffe"``; the rest, and the errors,
    are those of ``max_pool2d``.
    """
    (N, C, _, _), (rows, columns) = x.shape, axes(x.shape, size, stride, padding, convention)
    y = np.empty((N, C, rows.out, columns.out), x.dtype)
    for i, j in np.ndindex(rows.out, columns.out):
        (top, bottom), (left, right) = rows.span(i), columns.span(j)
        elements = rows.padded(i) * columns.padded(j) if count_include_pad else (bottom - top) * (right - left)
        y[:, :, i, j] = x[:, :, top:bottom, left:right].sum(axis=(2, 3), dtype=np.float64) / elements
    return y


@op(
    Impl("separable", f"{HERE}.separable:avg_pool2d_grad_x", arrays={"numpy", "cupy"}),
    Impl("windows", f"{HERE}.cuda:avg_pool2d_grad_x", **GPU, limits=f"{HERE}.cuda:takes_avg_grad"),
    check=check.avg_pool2d_grad_x,
)
def avg_pool2d_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> Array:
    """Spread ``g`` (N, C, oh, ow) evenly over the windows of an input of ``shape``: the transpose of ``avg_pool2d``."""
    rows, columns = axes(shape, size, stride, padding, convention)
    x = np.zeros(tuple(shape))
    for i, j in np.ndindex(rows.out, columns.out):
        (top, bottom), (left, right) = rows.span(i), columns.span(j)
        elements = rows.padded(i) * columns.padded(j) if count_include_pad else (bottom - top) * (right - left)
        x[:, :, top:bottom, left:right] += g[:, :, i, j, None, None] / elements
    return x.astype(g.dtype)
