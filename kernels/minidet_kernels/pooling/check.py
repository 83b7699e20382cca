"""The arguments of pooling: what is refused, in one line, before any implementation is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as whole
from typing import Any

import numpy as np

from ..arrays import Array, is_array, library
from .windows import CONVENTIONS, Pair, axes


def _image(where: str, name: str, x: Array) -> None:
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")
    if x.ndim != 4:
        raise ValueError(f"{where}: {name} must have shape (N, C, H, W), not {x.shape}")


def _pair(where: str, name: str, value: Any, least: int) -> None:
    numbers = tuple(value) if isinstance(value, tuple | list) else (value, value)
    try:
        vertical, horizontal = map(whole, numbers)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: {name} must be an integer or a (vertical, horizontal) pair, not {value!r}") from None
    if min(vertical, horizontal) < least:
        raise ValueError(f"{where}: {name} must be at least {least} along both axes, not {value!r}")


def _windows(
    where: str,
    shape: Sequence[int],
    size: Pair,
    stride: Pair | None,
    padding: Pair | None,
    convention: str,
    allowed: tuple[str, ...],
) -> None:
    """Refuse windows that do not fit, or that could lie in the padding alone."""
    if convention not in allowed:
        raise ValueError(f"{where}: convention is one of {', '.join(map(repr, allowed))}, not {convention!r}")
    for name, value, least in (("size", size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if value is not None or name == "size":
            _pair(where, name, value, least)
    for v, side in zip(axes(shape, size, stride, padding, convention), ("height", "width"), strict=True):
        if convention == "torch" and v.before > v.size // 2:
            raise ValueError(
                f"{where}: padding {v.before} is more than half of size {v.size}, the most that convention "
                "'torch' allows; convention 'caffe' allows size - 1"
            )
        if max(v.before, v.after) >= v.size:
            raise ValueError(
                f"{where}: padding of {v.before} before and {v.after} after leaves windows of size {v.size} without "
                f"any input; each must be less than the size (convention {convention!r})"
            )
        if v.n < 1 or v.out < 1:
            raise ValueError(f"{where}: {side} {v.n} padded by {v.before} + {v.after} is too small for size {v.size}")


def max_pool2d(
    x: Array, *, size: Pair, stride: Pair | None = None, padding: Pair | None = None, convention: str = "torch"
) -> None:
    """Check the arguments of ``max_pool2d``."""
    _image("max_pool2d", "x", x)
    _windows("max_pool2d", x.shape, size, stride, padding, convention, CONVENTIONS)


def max_pool2d_grad_x(g: Array, index: Array, *, shape: Sequence[int]) -> None:
    """Check the arguments of ``max_pool2d_grad_x``."""
    where = "max_pool2d_grad_x"
    _image(where, "g", g)
    if library(index) != library(g):
        raise TypeError(f"{where}: g is on {library(g)} and index on {library(index)}; move them to one device")
    if index.shape != g.shape or index.dtype != np.int64:
        raise ValueError(
            f"{where}: index must be int64 of g's shape {g.shape}, as max_pool2d returns it, "
            f"not {index.dtype} of shape {index.shape}"
        )
    if len(shape) != 4 or tuple(shape[:2]) != g.shape[:2]:
        raise ValueError(f"{where}: shape is that of x, ({g.shape[0]}, {g.shape[1]}, H, W), not {tuple(shape)}")
    # Read as unsigned, a negative number is larger than any: one pass instead of two.
    if index.size and int(index.view(np.uint64).max()) >= shape[2] * shape[3]:
        raise ValueError(f"{where}: index points outside {shape[2]} x {shape[3]}; it belongs to another x")


def avg_pool2d(
    x: Array,
    *,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> None:
    """Check the arguments of ``avg_pool2d``."""
    _image("avg_pool2d", "x", x)
    _windows("avg_pool2d", x.shape, size, stride, padding, convention, CONVENTIONS[:2])


def avg_pool2d_grad_x(
    g: Array,
    *,
    shape: Sequence[int],
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    convention: str = "torch",
    count_include_pad: bool = True,
) -> None:
    """Check the arguments of ``avg_pool2d_grad_x``."""
    where = "avg_pool2d_grad_x"
    _image(where, "g", g)
    if len(shape) != 4:
        raise ValueError(f"{where}: shape is that of x, (N, C, H, W), not {tuple(shape)}")
    _windows(where, shape, size, stride, padding, convention, CONVENTIONS[:2])
    expected = (*shape[:2], *(v.out for v in axes(shape, size, stride, padding, convention)))
    if g.shape != expected:
        raise ValueError(f"{where}: x of shape {tuple(shape)} gives y of shape {expected}, but g has {g.shape}")
