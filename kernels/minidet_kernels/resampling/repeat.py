"""Nearest by a whole factor, as in the upsampling layers of YOLOv3: strided copies, no index and no arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, namespace


def resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize`` where every element is repeated a whole number of times."""
    N, C, H, W = x.shape
    oh, ow = size
    y = namespace(x).empty((N, C, H, oh // H, W, ow // W), x.dtype)
    for v in range(y.shape[5]):
        y[:, :, :, 0, :, v] = x
    y[:, :, :, 1:] = y[:, :, :, :1]
    return y.reshape(N, C, oh, ow)


def resize_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Array:
    """As ``minidet_kernels.resize_grad_x`` where every element was repeated: the sum over its copies."""
    N, C, H, W = shape
    rows = g.reshape(N, C, H, g.shape[2] // H, g.shape[3]).sum(axis=3)
    copies = rows.reshape(N, C, H, W, g.shape[3] // W)
    x = copies[..., 0].copy()
    for v in range(1, copies.shape[-1]):
        x += copies[..., v]
    return x
