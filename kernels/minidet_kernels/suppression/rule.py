"""Whether one box drops another, as every compiled kernel of this room decides it: the definition's own operations.

A box is a tuple or five numbers: x1, y1, x2, y2 and the area.  ``fastmath`` stays off, one rounding per operation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..overlap.check import EMPTY

#: The defaults of what every operator here takes.
ALIKE = {"compare": "strict", "width": "exclusive", "empty": "zero"}


def numbers(dtype: Any, threshold: float, compare: str, width: str, empty: str, beta: float = 0.0) -> tuple[Any, ...]:
    """The options as the kernels take them: limit, strict, pixel, the IoU of 0/0, a quarter, beta (0: plain IoU)."""
    of = dtype.type
    return of(threshold), compare == "strict", of(width == "inclusive"), of(EMPTY[empty]), of(0.25), float(beta)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def iou(k1: Any, l1: Any, k2: Any, l2: Any, k: Any, box: Any, rule: Any) -> Any:
    """The definition's IoU of the other box, of corners k1 l1 k2 l2 and area k, with the box."""
    x1, y1, x2, y2, area = box
    pixel, nothing = rule[2], rule[3]
    zero = pixel - pixel  # in the boxes' dtype: a literal 0.0 would widen float32 to float64
    w = (x2 if x2 < k2 else k2) - (x1 if x1 > k1 else k1) + pixel
    h = (y2 if y2 < l2 else l2) - (y1 if y1 > l1 else l1) + pixel
    inter = (zero if w < zero else w) * (zero if h < zero else h)
    union = k + area - inter
    return nothing if union == zero else inter / union


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def drops(k1: Any, l1: Any, k2: Any, l2: Any, k: Any, box: Any, rule: Any, like: Any) -> bool:
    """Whether the other box, of corners k1 l1 k2 l2 and area k, drops the box; ``like`` is an array of their dtype."""
    limit, strict, pixel, _, quarter, beta = rule
    value = iou(k1, l1, k2, l2, k, box, rule)
    if beta > 0 and value >= limit:  # what is taken away is not below zero
        x1, y1, x2, y2, _ = box
        zero = pixel - pixel
        w = (k2 if x2 < k2 else x2) - (k1 if x1 > k1 else x1) + pixel
        h = (l2 if y2 < l2 else y2) - (l1 if y1 > l1 else y1) + pixel
        w, h = zero if w < zero else w, zero if h < zero else h
        dx, dy = (k1 + k2) - (x1 + x2), (l1 + l2) - (y1 + y2)
        whole = w * w + h * h
        share = zero if whole == zero else (dx * dx + dy * dy) * quarter / whole
        value = value - (share if beta == 1 else like.dtype.type(math.pow(np.float64(share), beta)))
    return value > limit or (value == limit and not strict)
