"""What ``diou_nms`` takes away from the IoU: how far apart the centres are, for boxes of this size."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array


def _power(x: float, beta: float) -> float:
    try:
        return math.pow(x, beta)  # the C library's, which compiled code calls too: NumPy's differs in the last digit
    except OverflowError:
        return math.inf


def penalty(a: Array, b: Array, *, beta: float, width: str) -> Array:
    """(d^2 / c^2)^beta of each box of ``a`` (M, 4) with ``b`` (4,): (M,) in the boxes' dtype.

    d is the distance of the centres, c the diagonal of the smallest box around both; 0/0 counts as 0.  The quotient is
    computed in the boxes' dtype, the power in float64 and rounded once (not at all for ``beta`` 1).
    """
    dtype = a.dtype.type
    with np.errstate(all="ignore"):
        sides = np.maximum(np.maximum(a[:, 2:], b[2:]) - np.minimum(a[:, :2], b[:2]) + dtype(width == "inclusive"), 0)
        twice = (a[:, :2] + a[:, 2:]) - (b[:2] + b[2:])  # the distance along each axis, doubled
        whole = sides[:, 0] * sides[:, 0] + sides[:, 1] * sides[:, 1]
        share = (twice[:, 0] * twice[:, 0] + twice[:, 1] * twice[:, 1]) * dtype(0.25) / whole
    share = np.where(whole == 0, dtype(0), share)
    return share if beta == 1 else np.array([_power(float(q), beta) for q in share]).astype(a.dtype)
