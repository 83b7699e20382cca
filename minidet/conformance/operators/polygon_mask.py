"""``polygon_mask(polygon, size)``: the pixels (h, w) of a polygon (n, 2) of x and y, 1 inside and 0 outside, uint8."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector

Corner = tuple[Fraction, Fraction]
HALF = Fraction(1, 2)


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """The mask, uint8."""
    h, w = inputs["size"]
    corners = [(Fraction(float(x)), Fraction(float(y))) for x, y in inputs["polygon"]]
    if dialect["corners"] == "yx":
        corners = [(x, y) for y, x in corners]
    mask = np.zeros((h, w), np.uint8)
    if len(corners) < 3:
        return mask
    if dialect["fill"] == "coco":
        return by_fifths(corners, h, w)
    edges = [*pairwise(corners), (corners[-1], corners[0])]
    closed = dialect["fill"] == "closed"
    for column in range(w):
        x = Fraction(column) if closed else column + HALF
        above = [ay + (x - ax) * (by - ay) / (bx - ax) for (ax, ay), (bx, by) in edges if (ax <= x) != (bx <= x)]
        parts = outline(edges, x) if closed else []
        for row in range(h):
            y = row if closed else row + HALF
            # a ray straight up meets an odd number of edges; one has its left end alone, and what is on it is below it
            odd = sum(one <= y for one in above) % 2
            mask[row, column] = odd or any(low <= y <= high for low, high in parts)
    return mask


def outline(edges: Sequence[tuple[Corner, Corner]], x: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Where edges are at ``x``: from and to."""
    found = []
    for (ax, ay), (bx, by) in edges:
        if ax == bx == x:
            found.append((min(ay, by), max(ay, by)))
        elif ax != bx and min(ax, bx) <= x <= max(ax, bx):
            y = ay + (x - ax) * (by - ay) / (bx - ax)
            found.append((y, y))
    return found


def by_fifths(corners: Sequence[Corner], h: int, w: int) -> np.ndarray:
    """COCO's rule: corners in fifths of a pixel, an outline in steps of a fifth, and from each step across the middle
    of a column on, downwards and into the next columns, what was outside is inside and the other way round.

    Decided in float64, as that program does: a slope is rounded, and then each place.
    """
    places = [tuple(int(5 * float(one) + 0.5) for one in corner) for corner in corners]
    steps: list[tuple[int, int]] = []
    for (ax, ay), (bx, by) in zip(places, places[1:] + places[:1], strict=True):
        steps += line(ax, ay, bx, by)
    changes = np.zeros(h * w + 1, np.int64)
    for (u, v), (u2, v2) in pairwise(steps):
        middle = 5 * (min(u, u2) // 5) + 2
        if u != u2 and min(u, u2) == middle and 0 <= middle // 5 < w:
            top = -((2 - min(v, v2)) // 5)  # the first pixel whose middle is not above it
            changes[middle // 5 * h + min(max(top, 0), h)] += 1
    return (np.cumsum(changes[:-1]) % 2).reshape(w, h).T.astype(np.uint8)


def line(ax: int, ay: int, bx: int, by: int) -> list[tuple[int, int]]:
    """The places from one to another, a step of one along the longer side."""
    flat = abs(bx - ax) >= abs(by - ay)
    a, b = ((ax, ay), (bx, by)) if flat else ((ay, ax), (by, bx))
    turned = a[0] > b[0]
    a, b = (b, a) if turned else (a, b)
    slope = (b[1] - a[1]) / (b[0] - a[0]) if b[0] > a[0] else 0.0
    steps = [(a[0] + t, int(a[1] + slope * t + 0.5)) for t in range(b[0] - a[0] + 1)]
    steps = steps if flat else [(y, x) for x, y in steps]
    return steps[::-1] if turned else steps


def of(*corners: tuple[float, float], size: tuple[int, int]) -> dict[str, Any]:
    """Inputs of a call."""
    return {"polygon": np.array(corners, np.float64).reshape(-1, 2), "size": size}


TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("a square of two pixels", of((0, 0), (2, 0), (2, 2), (0, 2), size=(4, 4)), ("fill",)),
    ("a box of three pixels by one", of((1, 1), (4, 1), (4, 2), (1, 2), size=(6, 6)), ("fill", "corners")),
    ("a triangle of half a square", of((0, 0), (4, 0), (0, 4), size=(6, 6)), ("fill",)),
    ("a triangle of eight centres", of((1, 0), (6, 3), (6, 6), size=(7, 7)), ("fill", "corners")),
)

POLYGON_MASK = Operator(
    "polygon_mask",
    "polygon_mask(polygon, size): (n, 2) of x and y, and (h, w), to a mask (h, w) of 0 and 1",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    exact=True,
)
