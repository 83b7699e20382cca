"""``iou(a, b)``: the matrix of overlaps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .. import exact
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector


def as_corners(rows: list[exact.Box], form: str) -> list[exact.Box]:
    """Boxes of a format as x1 y1 x2 y2."""
    half = Fraction(1, 2)
    if form == "xywh":
        return [(x, y, x + w, y + h) for x, y, w, h in rows]
    if form == "cxcywh":
        return [(x - w * half, y - h * half, x + w * half, y + h * half) for x, y, w, h in rows]
    return rows


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Every pair in rational arithmetic, then one rounding."""
    a, b = (as_corners(exact.boxes(inputs[name]), dialect["format"]) for name in ("a", "b"))
    if dialect["inverted"] == "refused" and any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in a + b):
        return REFUSED
    out = np.zeros((len(a), len(b)))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            inter, union = exact.parts(one, other, width=dialect["width"], inverted=dialect["inverted"])
            out[i, j] = float(exact.quotient(inter, union, empty=dialect["empty"]))
    return out


def pair(name: str, a: list[float], b: list[float], *tells: str) -> Vector:
    return Vector(name, {"a": np.array([a], np.float64), "b": np.array([b], np.float64)}, tells)


IOU = Operator(
    "iou",
    "iou(a, b): boxes (M, 4) and (N, 4) to (M, N)",
    reference,
    (
        pair("sides of different lengths", [0, 0, 2, 2], [1, 1, 4, 4], "width", "format", "empty"),
        pair("touching at a corner", [0, 0, 1, 1], [1, 1, 2, 2], "width", "format", "empty"),
        pair("two equal points", [0, 0, 0, 0], [0, 0, 0, 0], "empty", "width"),
        pair("two equal boxes of 1e-4", [0, 0, 1e-4, 1e-4], [0, 0, 1e-4, 1e-4], "empty", "width"),
        pair("inverted across", [2, 0, 0, 2], [0, 0, 2, 2], "inverted", "empty", "width", "format"),
        pair("inverted both ways", [3, 3, 1, 1], [3, 3, 0, 1], "inverted", "empty", "width", "format"),
    ),
    boxes=("a", "b"),
)
