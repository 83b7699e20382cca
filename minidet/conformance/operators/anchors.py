"""``anchors(sizes, ratios, cells, stride)``: the boxes around every cell of a map."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .coding import STEPS, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector


def rounded_root(square: Fraction) -> int:
    """The whole number nearest to the root of a rational, halves to even; decided by comparing squares."""
    whole = math.isqrt(math.floor(square))
    middle = Fraction(2 * whole + 1, 2) ** 2
    if square == middle:
        return whole + whole % 2
    return whole + (square > middle)


def base(size: Fraction, ratio: Fraction, stride: int, rule: str) -> tuple[float, float, float, float]:
    """The anchor of the cell at the corner, of a ratio height / width."""
    if rule == "legacy":
        width = rounded_root(stride * stride / ratio)
        height = round(width * ratio)  # of a rational: exact, halves to even
        middle = Fraction(stride - 1, 2)
        half = [(side * size / stride - 1) / 2 for side in (width, height)]
        return tuple(float(middle + sign * h) for sign in (-1, 1) for h in half)  # type: ignore[return-value]
    squares = size * size / ratio / 4, size * size * ratio / 4  # of half a width and half a height
    x, y = (float(rounded_root(s)) if rule == "rounded" else math.sqrt(s) for s in squares)
    return -x, -y, x, y


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Every anchor of every cell: (rows columns A, 4), xyxy in pixels."""
    sizes, ratios = ([Fraction(float(v)) for v in inputs[name]] for name in ("sizes", "ratios"))
    if dialect["ratio"] == "w_over_h":
        ratios = [1 / r for r in ratios]
    rows, columns = inputs["cells"]
    stride = int(inputs["stride"])
    pairs = (
        [(s, r) for r in ratios for s in sizes]
        if dialect["order"] == "ratios_first"
        else [(s, r) for s in sizes for r in ratios]
    )
    cell = np.array([base(s, r, stride, dialect["base"]) for s, r in pairs]).reshape(-1, 4)
    offset = 0.5 if dialect["offset"] == "middle" else 0.0
    shifts = [[(i + offset) * stride, (j + offset) * stride] * 2 for j in range(rows) for i in range(columns)]
    return (np.array(shifts)[:, None] + cell).reshape(-1, 4)


def units(inputs: Inputs) -> Units:
    """Of the farthest cell and the longest side."""
    ratio = max(max(r, 1 / r) for r in float64(inputs["ratios"]).tolist())
    far = (max(inputs["cells"]) + 1) * int(inputs["stride"])
    return STEPS * float(far + float64(inputs["sizes"]).max() * math.sqrt(ratio))


def _call(sizes: list[float], ratios: list[float], cells: tuple[int, int], stride: int) -> dict[str, Any]:
    return {"sizes": np.array(sizes), "ratios": np.array(ratios), "cells": cells, "stride": stride}


ANCHORS = Operator(
    "anchors",
    "anchors(sizes, ratios, cells, stride): (S,), (R,), (rows, columns) and a number to (rows columns S R, 4)",
    reference,
    (
        Vector("32, ratios 0.5 1 2", _call([32.0], [0.5, 1, 2], (1, 1), 16), ("base", "ratio", "offset")),
        Vector("a square of 5, on two cells", _call([5.0], [1.0], (1, 2), 8), ("base", "offset")),
        Vector(
            "two sizes and two ratios", _call([16.0, 32.0], [1.0, 4.0], (1, 1), 8), ("base", "ratio", "offset", "order")
        ),
    ),
    units=units,
)
