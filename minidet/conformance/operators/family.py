"""GIoU, DIoU and CIoU of two boxes in every dialect, by their formulas; what the matrices and the losses share.

    giou = iou - (hull - union) / hull        hull: the area of the smallest box around both
    diou = iou - d^2 / c^2                    d: distance of the centres;  c: diagonal of that box
    ciou = diou - alpha v  v = 4 / pi^2 (arctan(w / h) - arctan(w' / h'))^2; alpha = v / (1 - iou + v)

Written for any numbers that add, multiply, divide and compare: rationals, which are exact (but for the arc tangent),
and those of ``slopes``, which carry their derivatives along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact
from .operator import REFUSED, Answer, Dialect, Inputs

ADDED = {"add_1e-7": Fraction(1, 10**7)}
AT_LEAST = {"at_least_1e-6": Fraction(1, 10**6)}


@dataclass(frozen=True)
class Arithmetic:
    """What is not an operator of the numbers themselves."""

    least: Callable[[Any, Any], Any] = min
    greatest: Callable[[Any, Any], Any] = max
    positive: Callable[[Any], Any] = lambda x: max(x, 0)
    arctan: Callable[[float, Any, Any], Any] = lambda angle, w, h: angle
    constant: Callable[[Any], Any] = lambda x: x
    plain: Callable[[Any], Any] = lambda x: x  # the number without its derivatives


PLAIN = Arithmetic()


def quotient(part: Any, whole: Any, rule: str, of: Arithmetic = PLAIN) -> Any:
    """``part / whole`` where it may be zero: "nan", "zero" (also "iou": nothing is taken away), or a constant added."""
    if rule in ADDED:
        whole = whole + ADDED[rule]
    elif rule in AT_LEAST:
        whole = of.greatest(whole, AT_LEAST[rule])
    if of.plain(whole) == 0:
        return math.nan if rule == "nan" else 0
    return part / Fraction(whole) if isinstance(whole, int) else part / whole


def angle(w: Any, h: Any, rule: str) -> float:
    """Of a box of sides w and h: arctan2, 0 for a point; or of the quotient, where 0/0 is NaN."""
    if rule == "quotient" and h == 0:
        return math.nan if w == 0 else math.copysign(math.pi / 2, w)
    return math.atan(w / h) if rule == "quotient" else math.atan2(w, h)


def of_pair(kind: str, a: Sequence[Any], b: Sequence[Any], dialect: Dialect, of: Arithmetic = PLAIN) -> Any:
    """The overlap named ``kind`` of two boxes of four numbers each."""
    pixel = int(dialect.get("width") == "inclusive")
    if dialect["inverted"] == "normalise":
        a, b = ((min(r[0], r[2]), min(r[1], r[3]), max(r[0], r[2]), max(r[1], r[3])) for r in (a, b))

    def side(box: Sequence[Any], k: int) -> Any:
        length = box[k + 2] - box[k] + pixel
        return length if dialect["inverted"] == "as_is" else of.positive(length)

    aw, ah, bw, bh = side(a, 0), side(a, 1), side(b, 0), side(b, 1)
    iw, ih = (of.positive(of.least(a[k + 2], b[k + 2]) - of.greatest(a[k], b[k]) + pixel) for k in (0, 1))
    # a loss that does not clamp the sides of a box does not clamp those of the box around both either
    clamps = dialect["inverted"] != "as_is" or "clamped" not in dialect
    far = (of.greatest(a[k + 2], b[k + 2]) - of.least(a[k], b[k]) + pixel for k in (0, 1))
    cw, ch = (of.positive(length) if clamps else length for length in far)
    inter = iw * ih
    union = aw * ah + bw * bh - inter
    iou = quotient(inter, union, dialect["empty"], of)
    if kind == "giou":
        return iou - quotient(cw * ch - union, cw * ch, dialect["empty_hull"], of)
    dx, dy = (((a[k] + a[k + 2]) - (b[k] + b[k + 2])) * Fraction(1, 2) for k in (0, 1))
    away = quotient(dx * dx + dy * dy, cw * cw + ch * ch, dialect["empty_hull"], of)
    if dialect.get("exponent") == "0.6":
        away = float(away) ** 0.6
    if kind == "diou":
        return iou - away
    turn = of.arctan(angle(of.plain(bw), of.plain(bh), dialect["angle"]), bw, bh) - of.arctan(
        angle(of.plain(aw), of.plain(ah), dialect["angle"]), aw, ah
    )
    v = turn * turn * (4 / math.pi**2)
    alpha = quotient(v, 1 - iou + v, dialect["alpha"], of)
    if dialect["alpha"] == "above_half" and not of.plain(iou) > Fraction(1, 2):
        alpha = 0
    if dialect.get("alpha_grad") == "detached":
        alpha = of.constant(alpha)
    return iou - away - alpha * v


def matrix(kind: str) -> Callable[[Inputs, Dialect], Answer]:
    """The reference of a matrix: each pair by itself, rounded once at the end."""

    def reference(inputs: Inputs, dialect: Dialect) -> Answer:
        a, b = exact.boxes(inputs["a"]), exact.boxes(inputs["b"])
        if dialect["inverted"] == "refused" and any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in a + b):
            return REFUSED
        out = np.zeros((len(a), len(b)))
        for i, one in enumerate(a):
            for j, other in enumerate(b):
                out[i, j] = float(of_pair(kind, one, other, dialect))
        return out

    return reference
