"""How far an overlap that was computed in floating point may be from the exact one: the margin of a comparison.

Where |overlap - threshold| is within it, rounding decides, and either answer is admissible.  The bound holds for every
usual way to compute, not for one program:

* *Coordinates.*  A target may have been given corners, or a corner and sides, or a centre and sides, and may have moved
  the boxes of a class apart.  Each of these rounds at most four times on the way back to corners, each time by at
  most half an eps of the greatest coordinate M, so a corner is off by at most ``2 eps M``.
* *Everything after that* is a sum, difference, product or quotient: each adds half an eps of its own result to what its
  operands were off by.  `Rounded` carries both along, so the bound is made of the numbers themselves: a difference
  of large coordinates is off by much, for its size, one of small ones by little.
* *The threshold* is rounded once, half an eps.

All of it is doubled at the end, for what the first order leaves out and for another order of the operations.

Boxes of *whole numbers* whose areas fit the mantissa have no margin: there sides, areas and unions are exact in any
order, one quotient is rounded, and how it is compared is a convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .exact import Box

SAFETY = 2.0


@dataclass(frozen=True)
class Rounded:
    """A number and how far its computed value may be ``off``, where each operation rounds to a step ``eps``."""

    value: float
    off: float
    eps: float

    def _of(self, value: float, off: float) -> Rounded:
        return Rounded(value, off + self.eps / 2 * abs(value), self.eps)

    def __add__(self, other: Rounded) -> Rounded:
        return self._of(self.value + other.value, self.off + other.off)

    def __sub__(self, other: Rounded) -> Rounded:
        return self._of(self.value - other.value, self.off + other.off)

    def __mul__(self, other: Rounded) -> Rounded:
        off = abs(self.value) * other.off + abs(other.value) * self.off + self.off * other.off
        return self._of(self.value * other.value, off)

    def __truediv__(self, other: Rounded) -> Rounded:
        """Without a bound where the divisor may be zero; 0/0 of two exact zeros is 0."""
        least = abs(other.value) - other.off
        if least <= 0:
            return Rounded(0.0, 0.0 if other.off == self.value == self.off == 0 else math.inf, self.eps)
        value = self.value / other.value
        return self._of(value, (self.off + abs(value) * other.off) / least)

    def positive(self) -> Rounded:
        """The number, or 0 below that: exactly 0 where it is below by more than it may be off."""
        if self.value + self.off <= 0:
            return Rounded(0.0, 0.0, self.eps)
        return Rounded(max(self.value, 0.0), self.off, self.eps)


def eps(dtype: np.dtype) -> float:
    """The step of a dtype at 1."""
    return float(np.finfo(dtype).eps)


def whole(a: Box, b: Box, dtype: np.dtype) -> bool:
    """Are these whole numbers, and the area of a box around both, with a pixel more, exact in ``dtype``?"""
    if not all(isinstance(v, int) for v in (*a, *b)):
        return False
    across, down = (max(a[k], a[k + 2], b[k], b[k + 2]) - min(a[k], a[k + 2], b[k], b[k + 2]) + 1 for k in (0, 1))
    return across * down <= 2 ** (np.finfo(dtype).nmant + 1)


def overlap(a: Box, b: Box, dtype: np.dtype, *, pixel: int = 0) -> tuple[Rounded, Rounded]:
    """IoU, and the share d^2 / c^2 that DIoU takes away, of boxes whose sides are not below zero."""
    step = eps(dtype)
    most = max(abs(float(v)) for v in (*a, *b))
    off = 0.0 if whole(a, b, dtype) else 2 * step * most
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = ([Rounded(float(v), off, step) for v in box] for box in (a, b))
    one = Rounded(float(pixel), 0.0, step)

    def side(low: Rounded, high: Rounded) -> Rounded:
        return (high - low + one).positive() if pixel else (high - low).positive()

    def less(p: Rounded, q: Rounded) -> Rounded:
        return p if p.value <= q.value else q

    def more(p: Rounded, q: Rounded) -> Rounded:
        return q if p.value <= q.value else p

    both = side(more(ax1, bx1), less(ax2, bx2)) * side(more(ay1, by1), less(ay2, by2))
    union = side(ax1, ax2) * side(ay1, ay2) + side(bx1, bx2) * side(by1, by2) - both
    across, down = side(less(ax1, bx1), more(ax2, bx2)), side(less(ay1, by1), more(ay2, by2))
    dx, dy = (ax1 + ax2) - (bx1 + bx2), (ay1 + ay2) - (by1 + by2)  # twice the distance
    quarter = Rounded(0.25, 0.0, step)
    return both / union, (dx * dx + dy * dy) * quarter / (across * across + down * down)


def exactly(value: float | Fraction, dtype: np.dtype) -> bool:
    """Is it a number of that dtype?"""
    return float(dtype.type(float(value))) == value


def of_iou(a: Box, b: Box, dtype: np.dtype, *, pixel: int = 0, complement: bool = False) -> float:
    """How far IoU minus a threshold in 0..1 may be off; ``complement``, where it is taken from 1 twice."""
    if _apart(a, b, dtype, pixel):
        return 0.0
    iou, _ = overlap(a, b, dtype, pixel=pixel)
    return SAFETY * (iou.off + iou.eps / 2 + (iou.eps if complement else 0))


def _apart(a: Box, b: Box, dtype: np.dtype, pixel: int) -> bool:
    """Is the intersection zero however it is rounded, so that the quotient is exactly 0 (or 0/0)?"""
    gap = 8 * eps(dtype) * max(abs(float(v)) for v in (*a, *b))
    return any(float(min(a[k + 2], b[k + 2]) - max(a[k], b[k])) + pixel <= -gap for k in (0, 1))


def of_diou(a: Box, b: Box, dtype: np.dtype, *, pixel: int = 0, beta: float = 1.0) -> float:
    """How far IoU - (d^2 / c^2)^beta minus a threshold in 0..1 may be off; the power itself by one step."""
    iou, share = overlap(a, b, dtype, pixel=pixel)
    most, least = share.value + share.off, max(share.value - share.off, 0.0)
    away = most**beta - least**beta if math.isfinite(most) else math.inf
    return SAFETY * (iou.off + away + iou.eps * (1 + abs(iou.value) + share.value**beta))
