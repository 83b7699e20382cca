"""Intersection over union in rational arithmetic, and its comparison with a threshold in a stated precision.

Finite floating-point numbers are rationals, so that what is decided here is decided by the definition alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

Number = Fraction | int  # whole numbers as int, which is many times as fast
Box = tuple[Number, Number, Number, Number]  # x1 y1 x2 y2

#: Where the union is zero, or what is added to it.
NOTHING: dict[str, float] = {"nan": math.nan, "zero": 0.0, "one": 1.0}
ADDED = {"add_1e-7": Fraction(1, 10**7), "add_1e-9": Fraction(1, 10**9)}
LEAST = {"at_least_1e-6": Fraction(1, 10**6)}


def boxes(rows: Any) -> list[Box]:
    """The rows of an (n, 4) array as exact rationals; a coordinate that is NaN or infinite raises ``ValueError``."""
    array = np.asarray(rows)
    if not np.isfinite(array).all():
        raise ValueError("an exact box needs finite coordinates")
    return [tuple(_number(float(v)) for v in row) for row in array]  # type: ignore[misc]


def _number(value: float) -> Number:
    return int(value) if value.is_integer() else Fraction(value)


def parts(a: Box, b: Box, *, width: str = "exclusive", inverted: str = "as_is") -> tuple[Number, Number]:
    """Areas of the intersection and of the union, ``A + B - I``."""
    pixel = int(width == "inclusive")
    if inverted == "normalise":
        a, b = _normalised(a), _normalised(b)

    def area(box: Box) -> Number:
        sides = box[2] - box[0] + pixel, box[3] - box[1] + pixel
        return sides[0] * sides[1] if inverted == "as_is" else max(sides[0], 0) * max(sides[1], 0)

    across = max(min(a[2], b[2]) - max(a[0], b[0]) + pixel, 0)
    down = max(min(a[3], b[3]) - max(a[1], b[1]) + pixel, 0)
    both = across * down
    return both, area(a) + area(b) - both


def _normalised(box: Box) -> Box:
    x1, y1, x2, y2 = box
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def quotient(inter: Number, union: Number, *, empty: str = "zero") -> Fraction | float:
    """``inter / union`` by the convention ``iou.empty``; NaN is a float.

    ``"one_and_below"`` is 1 also where the union is negative, as OpenCV has it.
    """
    if empty in ADDED:
        union += ADDED[empty]
    elif empty in LEAST:
        union = max(union, LEAST[empty])
    if empty == "one_and_below" and union <= 0:
        return Fraction(1)
    if union == 0:
        nothing = NOTHING.get(empty, math.nan)
        return nothing if math.isnan(nothing) else Fraction(nothing)
    return Fraction(inter) / Fraction(union)


def exceeds(
    inter: Number, union: Number, threshold: float, *, compare: str, precision: str, form: str, empty: str, dtype: Any
) -> bool:
    """Is the overlap above the threshold?

    ``compare`` is ``"strict"`` or ``"inclusive"``.  ``precision``: ``"boxes"``, quotient and threshold are both rounded
    to ``dtype``, that of the boxes; ``"double_threshold"``, the quotient alone; ``"complement"``, the threshold, and
    1 - IoU, which is then taken from 1; ``"float64"``, both to float64.  ``form`` ``"product"`` compares the
    intersection with threshold times union, rounded likewise.  A quotient of NaN never is above.
    """
    kind = np.dtype(dtype).type

    def rounded(value: float) -> float:
        return value if precision == "float64" else float(kind(value))

    limit = float(threshold) if precision == "double_threshold" else rounded(threshold)
    if form == "product":
        right = limit * rounded(float(union))
        left, right = rounded(float(inter)), right if precision == "double_threshold" else rounded(right)
    else:
        value = float(quotient(inter, union, empty=empty))
        left, right = float(1 - kind(1 - value)) if precision == "complement" else rounded(value), limit
    return left > right if compare == "strict" else left >= right


def order(scores: Sequence[float], *, ties: str = "lowest", nan: str = "last") -> list[int]:
    """Indices by falling score; of equal ones the ``"lowest"`` or the ``"highest"`` first.

    ``nan``: ``"first"``, ``"last"`` or ``"dropped"``; ``"refused"`` where there is none.
    """
    real = [i for i, s in enumerate(scores) if not math.isnan(s)]
    lost = [i for i, s in enumerate(scores) if math.isnan(s)]
    sign = 1 if ties == "lowest" else -1
    ranked = sorted(real, key=lambda i: (-scores[i], sign * i))
    lost = lost[::sign]
    return {"first": lost + ranked, "last": ranked + lost, "dropped": ranked, "refused": ranked}[nan]
