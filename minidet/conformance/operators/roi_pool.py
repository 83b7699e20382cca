"""``roi_pool(x, rois, output_size, spatial_scale)``: the greatest element of each bin of each region."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector


def rounded(corner: Fraction, rule: str) -> int:
    """To a whole element; halves away from zero, or to the even one."""
    if rule == "half_even":
        return round(corner)
    return math.floor(abs(corner) + Fraction(1, 2)) * (-1 if corner < 0 else 1)


def bins(low: Fraction, high: Fraction, count: int, n: int, dialect: Dialect, dtype: Any) -> list[range]:
    """The elements of each bin of a region from ``low`` to ``high`` on an axis of ``n``."""
    start, stop = rounded(low, dialect["rounding"]), rounded(high, dialect["rounding"])
    length = max(stop - start + (dialect["end"] == "inclusive"), 1)
    found = []
    for i in range(count):
        if dialect["bins"] == "exact":
            first, last = i * length // count, -(-(i + 1) * length // count)
        else:
            step = dtype(length) / dtype(count)
            first, last = math.floor(dtype(i) * step), math.ceil(dtype(i + 1) * step)
        found.append(range(max(start + first, 0), min(start + last, n)))
    return found


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Bin by bin; the corners are rational until they are rounded."""
    x, rois = np.asarray(inputs["x"], np.float64), inputs["rois"]
    scale, (oh, ow) = Fraction(float(inputs["spatial_scale"])), inputs["output_size"]
    y = np.zeros((len(rois), x.shape[1], oh, ow))
    for k, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (Fraction(c) * scale for c in corners)
        rows = bins(top, bottom, oh, x.shape[2], dialect, rois.dtype.type)
        columns = bins(left, right, ow, x.shape[3], dialect, rois.dtype.type)
        for i, j in np.ndindex(oh, ow):
            if rows[i] and columns[j]:
                inside = x[int(image), :, rows[i].start : rows[i].stop, columns[j].start : columns[j].stop]
                most = np.fmax if dialect["nan"] == "skipped" else np.maximum
                y[k, :, i, j] = most.reduce(inside, axis=(1, 2))
    return y


def call(x: np.ndarray, roi: list[float], size: tuple[int, int]) -> dict[str, Any]:
    """Inputs of a call with one region."""
    return {"x": x, "rois": np.array([[0, *roi]], np.float64), "output_size": size, "spatial_scale": 1.0}


RAMP = np.arange(16.0).reshape(1, 1, 4, 4)
NAN = np.array([[1, math.nan], [2, 3]])[None, None]
ROW = np.arange(9.0).reshape(1, 1, 1, 9)

ROI_POOL = Operator(
    "roi_pool",
    "roi_pool(x, rois, output_size, spatial_scale): (N, C, H, W) and (K, 5) of image, x1, y1, x2, y2 to (K, C, oh, ow)",
    reference,
    (
        Vector("from half to half", call(RAMP, [0.5, 0.5, 2.5, 2.5], (1, 1)), ("rounding", "end")),
        Vector("from half an element before the map", call(RAMP, [-0.5, 0, 2, 0], (1, 3)), ("rounding", "end")),
        Vector("whole corners, 2 x 2", call(RAMP, [0, 0, 2, 2], (2, 2)), ("end",)),
        Vector("7 elements in 13 bins", call(ROW, [0, 0, 6, 0], (1, 13)), ("bins", "end")),
        Vector("7 elements without the last in 13 bins", call(ROW, [0, 0, 7, 0], (1, 13)), ("bins", "end")),
        Vector("a NaN", call(NAN, [0, 0, 1, 1], (1, 1)), ("nan", "end")),
        Vector("a NaN inside of both ends", call(NAN, [0, 0, 2, 2], (1, 1)), ("nan",)),
    ),
    units=lambda inputs: 0.0,
)
