"""What the Numba CUDA twins do not take, and why they are not chosen; read without importing Numba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import Array

#: Boxes that one block settles: a word of 8 bytes for 64 of them, in 48 KB of shared memory.
MOST_BOXES = (48 << 10) // 8 * 64


def doubt(*_: Any, **__: Any) -> str:
    """Why another implementation is the one to choose."""
    return "it is the readable twin of a kernel in CUDA C, which starts sooner"


def takes_iou(a: Array, *_: Any, **__: Any) -> str | None:
    """Why ``iou_matrix`` is not for the twin, or ``None``."""
    return None if a.dtype.char == "f" else f"takes float32 boxes, not {a.dtype}"


def takes_nms(boxes: Array, *_: Any, **__: Any) -> str | None:
    """Why ``nms`` is not for the twin, or ``None``."""
    if boxes.dtype.char != "f":
        return f"takes float32 boxes, not {boxes.dtype}"
    return f"takes up to {MOST_BOXES} boxes, not {len(boxes)}" if len(boxes) > MOST_BOXES else None


def takes_resize(
    x: Array,
    *,
    size: Sequence[int],
    mode: str = "nearest",
    coordinates: str | None = None,
    rounding: str = "floor",
    antialias: bool = False,
) -> str | None:
    """Why ``resize`` is not for the twin, or ``None``."""
    if mode != "nearest":
        return f"takes mode 'nearest', not {mode!r}"
    if coordinates not in (None, "asymmetric") or rounding != "floor":
        return f"takes coordinates 'asymmetric' rounded by 'floor', not {coordinates!r} by {rounding!r}"
    return None
