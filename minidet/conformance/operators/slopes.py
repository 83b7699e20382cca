"""Numbers that carry their derivatives with respect to the four numbers of one box, exactly: rationals throughout.

The rules are those of a first course: of a sum, a product, a quotient, an arc tangent.  What they leave open is the
slope of a maximum of two equal numbers and that of a clamp where it begins, and both have names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .family import Arithmetic
from .operator import Dialect

Number = Fraction | float  # whole numbers are int; a float is an arc tangent, what was made of one, or NaN
NONE: tuple[Number, ...] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Slope:
    """A value and its four partial derivatives."""

    value: Number
    by: tuple[Number, ...] = NONE

    def __add__(self, other: Any) -> Slope:
        other = slope(other)
        if other.by is NONE:
            return Slope(self.value + other.value, self.by)
        return Slope(self.value + other.value, tuple(p + q for p, q in zip(self.by, other.by, strict=True)))

    def __sub__(self, other: Any) -> Slope:
        return self + slope(other) * -1

    def __rsub__(self, other: Any) -> Slope:
        return slope(other) - self

    def __mul__(self, other: Any) -> Slope:
        other = slope(other)
        if other.by is NONE:
            return Slope(self.value * other.value, NONE if self.by is NONE else tuple(p * other.value for p in self.by))
        by = tuple(p * other.value + q * self.value for p, q in zip(self.by, other.by, strict=True))
        return Slope(self.value * other.value, by)

    def __truediv__(self, other: Any) -> Slope:
        other = slope(other)
        whole = Fraction(other.value) if isinstance(other.value, int) else other.value
        value = self.value / whole
        if other.by is NONE:
            return Slope(value, tuple(p / whole for p in self.by))
        return Slope(value, tuple((p - value * q) / whole for p, q in zip(self.by, other.by, strict=True)))

    __radd__, __rmul__ = __add__, __mul__


def slope(x: Any) -> Slope:
    """A constant has no derivatives; those of NaN are NaN."""
    if isinstance(x, Slope):
        return x
    return Slope(x, (math.nan,) * 4 if isinstance(x, float) and math.isnan(x) else NONE)


def box(corners: Sequence[Any], *, fixed: bool) -> list[Slope]:
    """The corners of a box, which the derivatives are with respect to unless it is ``fixed``."""
    return [Slope(v, NONE if fixed else tuple(int(k == j) for j in range(4))) for k, v in enumerate(corners)]


def arithmetic(dialect: Dialect) -> Arithmetic:
    """Of two equal numbers, the slope of the greater (or lesser) is the mean, or that of the predicted box's; a
    clamp at zero has the slope 0, or 1.
    """

    def choose(p: Any, q: Any, first: bool) -> Slope:
        p, q = slope(p), slope(q)
        if p.value != q.value:
            return p if first else q
        if dialect["coinciding"] == "half":
            return (p + q) * Fraction(1, 2)
        return p if any(p.by) or not any(q.by) else q

    def positive(x: Any) -> Slope:
        x = slope(x)
        return x if x.value > 0 or (x.value == 0 and dialect["clamped"] == "one") else Slope(0)

    def arctan(value: float, w: Any, h: Any) -> Slope:
        w, h = slope(w), slope(h)
        if dialect["angle"] == "quotient" and h.value == 0:
            return Slope(value, (math.nan,) * 4 if any(w.by) or any(h.by) else NONE)
        whole = w.value * w.value + h.value * h.value
        if whole == 0:
            return Slope(value)
        return Slope(value, tuple((h.value * p - w.value * q) / whole for p, q in zip(w.by, h.by, strict=True)))

    return Arithmetic(
        least=lambda p, q: choose(p, q, slope(p).value < slope(q).value),
        greatest=lambda p, q: choose(p, q, slope(p).value > slope(q).value),
        positive=positive,
        arctan=arctan,
        constant=lambda x: Slope(slope(x).value),
        plain=lambda x: slope(x).value,
    )
