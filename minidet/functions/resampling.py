"""Resizing of feature maps, on the operators of ``minidet_kernels.resampling``."""

from __future__ import annotations

from typing import Any

from minidet_kernels.arrays import Array
from minidet_kernels.resampling import resize as resize_op
from minidet_kernels.resampling import resize_grad_x

from ..autograd import Tensor, differentiable
from .broadcasting import Result


@differentiable
def resize(
    x: Array,
    *,
    size: tuple[int, int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> Result:
    """Resize images to ``size`` = (height, width): x (N, C, H, W) -> (N, C, height, width).

    ``mode`` is ``"nearest"`` or ``"bilinear"``; ``coordinates`` (``"half_pixel"``, ``"align_corners"`` or
    ``"asymmetric"``), ``rounding`` and ``antialias`` are those of ``minidet_kernels.resampling``.  The defaults are
    torch's ``interpolate``: nearest is asymmetric and rounds down, bilinear has half-pixel centres.
    """
    options: dict[str, Any] = {
        "mode": mode,
        "coordinates": coordinates,
        "rounding": rounding,
        "antialias": antialias,
    }
    shape = x.shape
    return resize_op(x, size=size, **options), (lambda g: resize_grad_x(g, shape=shape, **options),)


def upsample(x: Any, *, factor: int | tuple[int, int], mode: str = "nearest", coordinates: str | None = None) -> Tensor:
    """Enlarge images by a whole ``factor``, or a pair of them: x (N, C, H, W) -> (N, C, factor H, factor W)."""
    fy, fx = factor if isinstance(factor, tuple) else (factor, factor)
    if min(fy, fx) < 1 or not (isinstance(fy, int) and isinstance(fx, int)):
        raise ValueError(f"upsample() by {factor!r}; a whole factor of at least 1 is expected, or use resize(size=)")
    return resize(x, size=(x.shape[2] * fy, x.shape[3] * fx), mode=mode, coordinates=coordinates)
