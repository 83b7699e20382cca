"""``roi_align(x, rois, output_size, spatial_scale, sampling_ratio)``: a grid of samples from each region."""

from __future__ import annotations

from typing import Any

import numpy as np
from minidet_kernels.regions import roi_align

from .operator import Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The kernels' definition, in float64."""
    x, rois = np.asarray(inputs["x"], np.float64), np.asarray(inputs["rois"], np.float64)
    least = 1.0 if dialect["min_size"] == "one" else -np.inf
    ratio = int(inputs["sampling_ratio"])
    sides = np.maximum((rois[:, 3:] - rois[:, 1:3]) * float(inputs["spatial_scale"]), least)
    if ratio <= 0 and dialect["adaptive"] == "at_least_one" and (sides <= 0).all():
        ratio = 1  # no bin has a size that asks for more
    answer: np.ndarray = roi_align.definition(
        x,
        rois,
        output_size=tuple(inputs["output_size"]),
        spatial_scale=float(inputs["spatial_scale"]),
        sampling_ratio=ratio,
        aligned=dialect["aligned"] == "half_pixel",
        min_size=least,
        outside=dialect["outside"],
        mode="avg" if dialect["reduction"] == "average" else "max",
        max_of="corners" if dialect["reduction"] == "max_corners" else "samples",
    )
    return answer


RAMP = np.arange(16.0).reshape(1, 1, 4, 4)


def _call(x: np.ndarray, roi: list[float], size: tuple[int, int], ratio: int) -> dict[str, Any]:
    rois = np.array([[0, *roi]], np.float64)
    return {"x": x, "rois": rois, "output_size": size, "spatial_scale": 1.0, "sampling_ratio": ratio}


SQUARE = np.array([[1.0, 2], [3, 4]])[None, None]

ROI_ALIGN = Operator(
    "roi_align",
    "roi_align(x, rois, output_size, spatial_scale, sampling_ratio): (N, C, H, W) and (K, 5) to (K, C, oh, ow)",
    reference,
    (
        Vector("the whole ramp, 4 x 4", _call(RAMP, [0, 0, 4, 4], (4, 4), 1), ("aligned", "reduction", "outside")),
        Vector("the middle of the ramp", _call(RAMP, [1, 1, 3, 3], (1, 1), 2), ("aligned", "reduction")),
        Vector("a point, 2 samples", _call(RAMP, [1, 1, 1, 1], (1, 1), 2), ("aligned", "min_size", "reduction")),
        Vector(
            "a point, adaptive",
            _call(RAMP, [1, 1, 1, 1], (1, 1), 0),
            ("aligned", "min_size", "adaptive", "reduction"),
        ),
        Vector("out on the left", _call(RAMP, [-2, 0, 2, 4], (1, 4), 1), ("aligned", "outside", "reduction")),
        Vector(
            "one sample between four",
            _call(SQUARE, [0.5, 0.5, 1.5, 1.5], (1, 1), 1),
            ("aligned", "reduction", "outside"),
        ),
    ),
)
