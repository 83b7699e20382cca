"""``fpn_level(boxes, lowest, highest)``: the level of a feature pyramid that a box belongs to."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from .. import exact
from .operator import Answer, Arrays, Dialect, Inputs, Operator, Vector

#: A box of this side belongs to this level; twice the side is one level up (Lin et al. 2017, equation 1).
SIDE, LEVEL = 224, 4
INSIDE = {"eps_inside_1e-6": Fraction(1, 10**6), "eps_inside_1e-8": Fraction(1, 10**8), "floor": Fraction(0)}


def _outside() -> Fraction:
    with localcontext() as context:
        context.prec = 60  # 2^(-2e-6) is irrational: no area, which is rational, is ever equal to a bound made of it
        return Fraction(Decimal(2) ** Decimal("-0.000002"))


OUTSIDE = _outside()


def reaches(area: exact.Number, level: int, rule: str) -> bool:
    """Is a box of that area of ``level`` or above?  Powers are compared, so that no logarithm is taken."""
    bound = Fraction(SIDE) ** 2 * Fraction(4) ** (level - LEVEL)  # the square of the side from which on it is
    if rule == "round":  # from the root of 2 below that side; just there, to the even level
        return area > bound / 2 or (area == bound / 2 and level % 2 == 0)
    if rule == "eps_outside":
        return area >= bound * OUTSIDE
    side = SIDE * (Fraction(2) ** (level - LEVEL) - INSIDE[rule])
    return side <= 0 or area >= side * side


def areas(rows: Any, width: str) -> list[exact.Number]:
    """Exact areas; 0 of what is empty or inverted."""
    pixel = int(width == "inclusive")
    return [max(x2 - x1 + pixel, 0) * max(y2 - y1 + pixel, 0) for x1, y1, x2, y2 in exact.boxes(rows)]


def level_of(area: exact.Number, lowest: int, highest: int, rule: str) -> int:
    """The level, between the two."""
    level = lowest
    while area > 0 and level < highest and reaches(area, level + 1, rule):
        level += 1
    return level


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The level of each box, int64; of one without area the lowest."""
    lowest, highest = int(inputs["lowest"]), int(inputs["highest"])
    first = lowest if dialect["numbering"] == "index" else 0
    found = [level_of(a, lowest, highest, dialect["rule"]) - first for a in areas(inputs["boxes"], dialect["width"])]
    return np.array(found, np.int64)


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Undecided where each level is right for an area within the rounding of a root, a logarithm and a sum.

    A side that is a whole number of pixels and a power of 2 times 224 is rounded nowhere, and is decided.
    """
    rows = inputs["boxes"]
    if not isinstance(found, np.ndarray) or found.shape != (len(rows),):
        return ""
    eps, lowest, highest = float(np.finfo(rows.dtype).eps), int(inputs["lowest"]), int(inputs["highest"])
    first = lowest if dialect["numbering"] == "index" else 0
    for got, area in zip(found.tolist(), areas(rows, dialect["width"]), strict=True):
        near = {level_of(area, lowest, highest, dialect["rule"])}
        if area > 0 and not _plain(area):
            size = math.log2(float(area)) / 2 - math.log2(SIDE)
            share = Fraction(1.5 * eps * (2 + abs(size) + abs(LEVEL + size)))  # of the area: 2 ln 2 times the level's
            near |= {level_of(area * (1 + sign * share), lowest, highest, dialect["rule"]) for sign in (-1, 1)}
        if got + first not in near:
            return ""
    return "undecided"


def _plain(area: exact.Number) -> bool:
    """Is the area that of a side 224 times a power of 2?"""
    ratio = Fraction(area) / SIDE**2
    powers = ratio.numerator, ratio.denominator
    return all(p & (p - 1) == 0 and p.bit_length() % 2 == 1 for p in powers)


def _call(boxes: list[list[float]], lowest: int, highest: int) -> dict[str, Any]:
    return {"boxes": np.array(boxes, np.float64).reshape(-1, 4), "lowest": lowest, "highest": highest}


def _square(side: float) -> list[list[float]]:
    return [[0.0, 0.0, side, side]]


NAMED = ("rule", "width", "numbering")
TINY = SIDE / 1024  # ten levels below: there what is added to the side is a thousandth of it

FPN_LEVEL = Operator(
    "fpn_level",
    "fpn_level(boxes, lowest, highest): (n, 4) and two whole numbers to (n,), the level of each box",
    reference,
    (
        Vector("a side of 223.9999", _call(_square(223.9999), 0, 5), ("rule", "width")),
        Vector("a side of 159", _call(_square(159.0), 0, 5), ("rule",)),
        Vector("a side of 317", _call(_square(317.0), 0, 5), ("rule",)),
        Vector("224 times the root of 2", _call([[0, 0, 448, 224]], 0, 5), ("rule", "width")),
        Vector("a side of 223", _call(_square(223.0), 0, 5), ("width", "rule")),
        Vector("a side of 224", _call(_square(224.0), 2, 5), ("numbering",)),
        Vector("a tiny side, less a ten thousandth of it", _call(_square(TINY * (1 - 1e-4)), -8, 5), NAMED),
        Vector("a tiny side, less 3 millionths of it", _call(_square(TINY * (1 - 3e-6)), -8, 5), NAMED),
    ),
    boxes=("boxes",),
    exact=True,
    legal=legal,
)
