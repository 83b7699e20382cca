"""Overlaps of every truth with every anchor, and thresholds, as matchers compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import exact


def overlaps(truths: Any, anchors: Any, *, width: str = "exclusive") -> list[list[float]]:
    """The IoU of each truth (a row) with each anchor: exact, then rounded once to the anchors' dtype."""
    kind, columns = anchors.dtype.type, exact.boxes(anchors)
    table = []
    for truth in exact.boxes(truths):
        pairs = [exact.parts(truth, one, width=width, inverted="empty") for one in columns]
        table.append([float(kind(float(exact.quotient(i, u, empty="zero")))) for i, u in pairs])
    return table


def limit(threshold: float, dtype: Any, precision: str) -> float:
    """The threshold that overlaps are compared with: rounded to their dtype, or as it is."""
    return float(threshold) if precision == "double_threshold" else float(np.dtype(dtype).type(threshold))


def best(values: Sequence[float], ties: str = "lowest") -> int:
    """The index of the greatest value, of equal ones the lowest or the highest."""
    found = max(values)
    return values.index(found) if ties == "lowest" else len(values) - 1 - list(values)[::-1].index(found)


def of_iou(inter: int, union: int, *, pixel: int = 0) -> tuple[list[float], list[float]]:
    """Two boxes in a row whose IoU is ``inter / union`` where a side has x2 - x1 + ``pixel`` elements."""
    return [0, 0, union - pixel, 1], [0, 0, inter - pixel, 1]
