"""The arguments of crop_and_resize: what is refused, in one line, and what each implementation does not take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..arrays import Array, is_array, library, namespace
from .check import PAYS, PAYS_GRAD, _many, array, choice, output, sizes
from .crops import METHODS, UNITS
from .geometry import Pair, pair


def _boxes(where: str, x: Array, boxes: Array, index: Array, images: int) -> None:
    array(where, "boxes", boxes, "(K, 4)")
    if boxes.shape[1] != 4:
        raise ValueError(f"{where}: boxes must have shape (K, 4): y1, x1, y2, x2; not {boxes.shape}")
    if not is_array(index) or index.dtype.kind not in "iu" or index.shape != boxes.shape[:1]:
        raise ValueError(
            f"{where}: index must be integers of shape ({len(boxes)},), the image of each box, "
            f"not {getattr(index, 'dtype', type(index).__name__)} of shape {getattr(index, 'shape', None)}"
        )
    if {library(boxes), library(index)} != {library(x)}:
        raise TypeError(f"{where}: boxes, index and the map must be on one device")
    xp = namespace(boxes)
    for bad, what in (
        (~xp.isfinite(boxes).all(axis=1), "every number must be finite"),
        ((index < 0) | (index >= images), f"the index must be 0 to {images - 1}"),
    ):
        if bool(bad.any()):
            k = int(bad.argmax())
            raise ValueError(f"{where}: boxes[{k}] is {[float(v) for v in boxes[k]]} of image {int(index[k])}; {what}")


def crop_and_resize(
    x: Array,
    boxes: Array,
    index: Array,
    *,
    size: Pair,
    method: str = "bilinear",
    extrapolation: float = 0.0,
    unit: str = "last",
) -> None:
    """Check the arguments of ``crop_and_resize``."""
    where = "crop_and_resize"
    array(where, "x", x, "(N, C, H, W)")
    sizes(where, "the shape of x", x.shape, "(N, C, H, W)")
    output(where, size)
    choice(where, "method", method, METHODS)
    choice(where, "unit", unit, UNITS)
    if not isinstance(extrapolation, int | float) or math.isinf(extrapolation):
        raise ValueError(f"{where}: extrapolation must be a finite number or NaN, not {extrapolation!r}")
    _boxes(where, x, boxes, index, x.shape[0])


def _gradient(where: str, g: Array, boxes: Array, channels: int) -> None:
    array(where, "g", g, "(K, C, oh, ow)")
    sizes(where, "the shape of g", g.shape, "(K, C, oh, ow)")
    if is_array(boxes) and boxes.ndim and g.shape[:2] != (len(boxes), channels):
        raise ValueError(
            f"{where}: {len(boxes)} boxes of {channels} channels need g of shape ({len(boxes)}, {channels}, oh, ow), "
            f"not {g.shape}"
        )


def crop_and_resize_grad_x(
    g: Array, boxes: Array, index: Array, *, shape: Sequence[int], method: str = "bilinear", unit: str = "last"
) -> None:
    """Check the arguments of ``crop_and_resize_grad_x``."""
    where = "crop_and_resize_grad_x"
    _gradient(where, g, boxes, sizes(where, "shape", shape, "(N, C, H, W)")[1])
    choice(where, "method", method, METHODS)
    choice(where, "unit", unit, UNITS)
    _boxes(where, g, boxes, index, shape[0])


def crop_and_resize_grad_boxes(g: Array, x: Array, boxes: Array, index: Array, *, unit: str = "last") -> None:
    """Check the arguments of ``crop_and_resize_grad_boxes``."""
    where = "crop_and_resize_grad_boxes"
    array(where, "x", x, "(N, C, H, W)")
    sizes(where, "the shape of x", x.shape, "(N, C, H, W)")
    _gradient(where, g, boxes, x.shape[1])
    choice(where, "unit", unit, UNITS)
    _boxes(where, g, boxes, index, x.shape[0])


def many(x: Array, boxes: Array, index: Array, *, size: Pair, **options: Any) -> str | None:
    """Limit of ``numba_channels``: its copy of the maps has to pay."""
    oh, ow = pair(size)
    return _many(x.shape[0] * x.shape[2] * x.shape[3], len(boxes) * oh * ow, PAYS)


def many_grad(g: Array, boxes: Array, index: Array, *, shape: Sequence[int], **options: Any) -> str | None:
    """Limit of ``numba_channels`` in the gradient."""
    return _many(shape[0] * shape[2] * shape[3], len(boxes) * g.shape[2] * g.shape[3], PAYS_GRAD)
