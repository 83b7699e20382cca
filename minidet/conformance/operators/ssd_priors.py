"""``ssd_priors(small, large, ratios, cells, size, step)``: the prior boxes of one map of SSD."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .coding import STEPS, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector


def shapes(small: float, large: float, ratios: list[float], dialect: Dialect) -> list[tuple[float, float]]:
    """Width and height of a cell's priors, in pixels."""
    if dialect["sizes"] == "truncated":
        small, large = math.floor(small), math.floor(large)
    mean = math.sqrt(small * large)
    of_ratios = small if dialect["base"] == "small" else mean
    others = []
    for root in map(math.sqrt, ratios):
        others += [(of_ratios * root, of_ratios / root), (of_ratios / root, of_ratios * root)]
    if dialect["order"] == "small_large_ratios":
        return [(small, small), (mean, mean), *others]
    return [(small, small), *others, (mean, mean)]


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Prior by prior: (rows columns A, 4), xyxy in fractions of the image's sides."""
    (rows, columns), (height, width) = inputs["cells"], inputs["size"]
    step = float(inputs["step"])
    across, down = (step, step) if dialect["centre"] == "step" else (width / columns, height / rows)
    boxes = []
    for j in range(rows):
        for i in range(columns):
            for w, h in shapes(
                float(inputs["small"]), float(inputs["large"]), float64(inputs["ratios"]).tolist(), dialect
            ):
                cx, cy = (i + 0.5) * across / width, (j + 0.5) * down / height
                w, h = w / (width if dialect["sides"] == "pixels" else height), h / height
                if dialect["clip"] in ("centres", "sides"):
                    w, h = min(w, 1.0), min(h, 1.0)
                if dialect["clip"] == "centres":
                    cx, cy = min(cx, 1.0), min(cy, 1.0)
                boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    found = np.array(boxes).reshape(-1, 4)
    return found.clip(0, 1) if dialect["clip"] == "corners" else found


def units(inputs: Inputs) -> Units:
    """Of the farthest centre and the longest side, in fractions of the image."""
    (rows, columns), sides = inputs["cells"], inputs["size"]
    far = 1 + max(rows, columns) * float(inputs["step"]) / min(sides)
    ratio = max((max(r, 1 / r) for r in float64(inputs["ratios"]).tolist()), default=1.0)
    return STEPS * (far + max(float(inputs["small"]), float(inputs["large"])) * math.sqrt(ratio) / min(sides))


def _call(
    small: float, large: float, ratios: list[float], cells: tuple[int, int], size: tuple[int, int], step: float
) -> dict[str, Any]:
    return {
        "small": small,
        "large": large,
        "ratios": np.array(ratios, np.float64),
        "cells": cells,
        "size": size,
        "step": step,
    }


EVERY = ("order", "base", "sizes", "clip", "centre", "sides")

SSD_PRIORS = Operator(
    "ssd_priors",
    "ssd_priors(small, large, ratios, cells, size, step): two numbers, (R,), (rows, columns), (height, width) and a "
    "number to (rows columns (2 + 2 R), 4), corners in fractions of the image",
    reference,
    (
        Vector("inside", _call(8.0, 18.0, [2.0], (1, 1), (64, 64), 64.0), ("order", "base")),
        Vector("sizes with a half", _call(8.5, 16.5, [], (1, 1), (64, 64), 64.0), ("sizes",)),
        Vector("an image twice as wide", _call(8.0, 18.0, [], (1, 2), (64, 128), 64.0), ("sides",)),
        Vector("38 cells of step 8 on 300", _call(24.0, 54.0, [], (1, 38), (8, 300), 8.0), ("centre", "sides", "clip")),
        Vector("out on the left", _call(40.0, 41.0, [], (1, 1), (64, 64), 20.0), ("clip", "centre")),
        Vector("larger than the image", _call(40.0, 90.0, [4.0], (1, 1), (64, 64), 64.0), ("clip", "order", "base")),
        Vector("a centre behind the image", _call(8.0, 9.0, [], (1, 2), (64, 64), 64.0), ("clip", "centre")),
    ),
    units=units,
)
