"""Which calls the compiled 1 x 1 convolution takes, and where it pays; read without importing Numba."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from .check import Shape
from .geometry import IntOrPair, pair

#: The fewest images, channels and filters, and the most pixels of an image, for which it pays (measured).
IMAGES, CHANNELS, PIXELS = 2, 128, 4096


def one_by_one_float32(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Why it cannot be used for ``conv2d``, or its gradient by the input."""
    return _takes(x, w.shape, **options)


def one_by_one_float32_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """Why it cannot be used for the gradient by the filters."""
    return _takes(x, shape, **options)


def _takes(
    x: Array, w: Shape, *, stride: IntOrPair = 1, padding: IntOrPair = 0, groups: int = 1, **others: Any
) -> str | None:
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if tuple(w[2:]) != (1, 1):
        return f"takes filters of 1 x 1, not {w[2]} x {w[3]}"
    for name, value, only in (("stride", pair(stride), (1, 1)), ("padding", pair(padding), (0, 0))):
        if value != only:
            return f"takes {name} {only[0]}, not {value}"
    return None if groups == 1 else f"takes one group, not {groups}"


def one_by_one_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where BLAS is faster at ``conv2d``, or its gradient by the input."""
    return _loses(x, w.shape)


def one_by_one_loses_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """Where BLAS is faster at the gradient by the filters."""
    return _loses(x, shape)


def _loses(x: Array, w: Shape) -> str | None:
    images, channels, pixels = len(x), min(w[:2]), x.shape[2] * x.shape[3]
    if images < IMAGES or channels < CHANNELS or pixels > PIXELS:
        return (
            f"pays from {IMAGES} images and {CHANNELS} channels and filters on, and up to {PIXELS} pixels, "
            f"not for {images}, {channels} and {pixels}"
        )
    return None
