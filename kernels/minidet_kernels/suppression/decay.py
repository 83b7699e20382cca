"""What a score is multiplied by, given an overlap: the NumPy side of ``soft_nms``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array
from .check import COMPARE


def weight(
    overlap: Array, *, kernel: str, threshold: float, compare: str, sigma: float, spread: str, dtype: Any
) -> Array:
    """The factor for each overlap (M,), in the scores' dtype; 1 where the overlap is NaN.

    ``linear`` is 1 - overlap above the threshold and else 1, in the boxes' dtype; ``hard`` is 0 there; ``gaussian`` is
    exp(-overlap^2 / sigma), or over 2 sigma, in float64, rounded once.
    """
    if kernel == "gaussian":
        by = sigma * (2 if spread == "two_sigma" else 1)
        # The C library's exp, which compiled code calls too: NumPy's differs in the last digit.
        factor = np.array([math.exp(-(v * v) / by) for v in overlap.astype(np.float64).tolist()])
    else:
        above = COMPARE[compare](overlap, overlap.dtype.type(threshold))
        factor = np.where(above, 0 if kernel == "hard" else 1 - overlap, 1)
    return np.where(np.isnan(overlap), 1, factor).astype(dtype)
