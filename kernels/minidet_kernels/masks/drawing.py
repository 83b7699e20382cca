"""Where the masks of polygons change, column by column: the compiled part of ``polygons``.

Both rules give, for each column, places at which a pixel differs from the one above it.  Two at the same place cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..arrays import Array

#: COCO's program follows an outline in fifths of a pixel.
FIFTHS = 5.0
#: Twice what the rounding of six products and their sum can be, as a share of the sum of their magnitudes.
DOUBT = 16 * 2.0**-53
#: Dekker's splitter of a float64 into halves of 26 bits.
SPLITTER = 2.0**27 + 1


@njit(cache=True, nogil=True)
def _add_exactly(total: Any, used: int, x: float) -> int:
    """Add ``x`` to an expansion of ``used`` numbers whose exact sum is meant (Shewchuk 1997, grow-expansion)."""
    for i in range(used):
        y = total[i]
        s = x + y
        bb = s - x
        total[i] = (x - (s - bb)) + (y - bb)
        x = s
    total[used] = x
    return used + 1


@njit(cache=True, nogil=True)
def _at_or_above(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> bool:
    """Whether the edge from a to b, ``ax < bx``, passes column ``x`` at ``y`` or above it; exact.

    The sign of (y - ay)(bx - ax) - (x - ax)(by - ay): in floating point where that is beyond doubt, otherwise from
    the six products, each of them an exact sum of two numbers (Dekker 1971), added without rounding.
    """
    size = abs(y * bx) + abs(y * ax) + abs(ay * bx) + abs(x * by) + abs(x * ay) + abs(ax * by)
    value = y * bx - y * ax - ay * bx - x * by + x * ay + ax * by
    if abs(value) > DOUBT * size:
        return value > 0
    factors = ((y, bx), (-y, ax), (-ay, bx), (-x, by), (x, ay), (ax, by))
    total = np.zeros(12)
    used = 0
    for p, q in factors:
        high = p * q
        c = SPLITTER * p
        p1 = c - (c - p)
        p2 = p - p1
        c = SPLITTER * q
        q1 = c - (c - q)
        q2 = q - q1
        used = _add_exactly(total, used, p2 * q2 - (((high - p1 * q1) - p2 * q1) - p1 * q2))
        used = _add_exactly(total, used, high)
    for i in range(used - 1, -1, -1):  # the last that is not 0 outweighs all before it
        if total[i] != 0:
            return total[i] > 0
    return True


@njit(cache=True, nogil=True)
def _even_odd(xy: Any, h: int, w: int, out: Any) -> int:
    """Where edges are passed, column by column; of a column, an even number."""
    n, used = len(xy) // 2, 0
    for i in range(n):
        k = (i + 1) % n
        ax, ay, bx, by = xy[2 * i], xy[2 * i + 1], xy[2 * k], xy[2 * k + 1]
        if ax > bx:
            ax, ay, bx, by = bx, by, ax, ay
        first = max(0, int(min(np.ceil(ax - 0.5), w)) - 1)
        stop = min(w, int(max(np.ceil(bx - 0.5), -1)) + 1)
        for column in range(first, stop):
            x = column + 0.5
            if (ax <= x) == (bx <= x):
                continue
            guess = np.ceil(ay + (x - ax) * ((by - ay) / (bx - ax)) - 0.5)
            row = int(min(max(guess, 0.0), float(h)))
            while row > 0 and _at_or_above(ax, ay, bx, by, x, row - 0.5):
                row -= 1
            while row < h and not _at_or_above(ax, ay, bx, by, x, row + 0.5):
                row += 1
            out[used] = column * h + row
            used += 1
    return used


@njit(cache=True, nogil=True)
def _coco(xy: Any, h: int, w: int, out: Any) -> int:
    """As COCO's program: a place for each step along the outline that leads from the middle fifth of a column."""
    n, used, started = len(xy) // 2, 0, False
    u_before, v_before = 0, 0
    for i in range(n):
        k = (i + 1) % n
        xs, ys = int(FIFTHS * xy[2 * i] + 0.5), int(FIFTHS * xy[2 * i + 1] + 0.5)  # int() cuts towards 0, as in C
        xe, ye = int(FIFTHS * xy[2 * k] + 0.5), int(FIFTHS * xy[2 * k + 1] + 0.5)
        dx, dy = abs(xe - xs), abs(ye - ys)
        flat = dx >= dy
        flip = xs > xe if flat else ys > ye
        if flip:
            xs, ys, xe, ye = xe, ye, xs, ys
        steps = max(dx, dy)
        slope = 0.0 if steps == 0 else ((ye - ys) / steps if flat else (xe - xs) / steps)
        for d in range(steps + 1):
            t = steps - d if flip else d
            if flat:
                u, v = t + xs, int(ys + slope * t + 0.5)
            else:
                u, v = int(xs + slope * t + 0.5), t + ys
            if started and u != u_before:
                column = ((u if u < u_before else u - 1) + 0.5) / FIFTHS - 0.5
                if column == np.floor(column) and 0 <= column <= w - 1:
                    upper: Any = min(v, v_before)
                    row = min(max((upper + 0.5) / FIFTHS - 0.5, 0.0), float(h))
                    out[used] = int(column) * h + int(np.ceil(row))
                    used += 1
            started, u_before, v_before = True, u, v
    return used


@njit(cache=True, nogil=True)
def _cancel(places: Any, end: int) -> int:
    """Sort places, drop pairs of equal ones and what is not before the end; the number left."""
    places.sort()
    used = 0
    for i in range(len(places)):
        if used > 0 and places[used - 1] == places[i]:
            used -= 1
        else:
            places[used] = places[i]
            used += 1
    while used > 0 and places[used - 1] >= end:
        used -= 1
    return used


@njit(cache=True, nogil=True)
def _unite(places: Any, parts: Any, end: int) -> int:
    """The changes of the union of masks, part ``i`` of which changes at ``places[parts[i]:parts[i + 1]]``, in place."""
    total = 0
    for i in range(len(parts) - 1):
        total += parts[i + 1] - parts[i] + 1
    starts, ends = np.empty(total, np.int64), np.empty(total, np.int64)
    n = 0
    for i in range(len(parts) - 1):
        for k in range(parts[i], parts[i + 1], 2):
            starts[n] = places[k]
            ends[n] = places[k + 1] if k + 1 < parts[i + 1] else end
            n += 1
    starts, ends = np.sort(starts[:n]), np.sort(ends[:n])
    used, open_, i = 0, 0, 0
    for k in range(n):
        while i < n and starts[i] <= ends[k]:  # one that begins where another ends goes on with it
            if open_ == 0:
                places[used] = starts[i]
                used += 1
            open_ += 1
            i += 1
        open_ -= 1
        if open_ == 0 and ends[k] < end:
            places[used] = ends[k]
            used += 1
    return used


@njit(cache=True, nogil=True)
def _most(xy: Any, w: int) -> int:
    """No fewer places than a polygon has: of an edge, one in each column and two where it begins and ends."""
    n, most = len(xy) // 2, 0
    for i in range(n):
        most += int(min(float(w), abs(xy[2 * i] - xy[2 * ((i + 1) % n)]) + 2)) + 3
    return most


@njit(cache=True, nogil=True)
def _draw(xy: Any, splits: Any, objects: Any, h: int, w: int, coco: bool, mask: Any, place: Any) -> int:
    used, end = 0, h * w
    for n in range(len(objects) - 1):
        first, parts = used, np.empty(objects[n + 1] - objects[n] + 1, np.int64)
        parts[0] = 0
        for i in range(objects[n], objects[n + 1]):
            polygon = xy[splits[i] : splits[i + 1]]
            found = _coco(polygon, h, w, place[used:]) if coco else _even_odd(polygon, h, w, place[used:])
            used += _cancel(place[used : used + found], end)
            parts[i - objects[n] + 1] = used - first
        if len(parts) > 2:
            used = first + _unite(place[first:used], parts, end)
        mask[first:used] = n
    return used


@njit(cache=True, nogil=True)
def _room(xy: Any, splits: Any, w: int) -> int:
    most = 0
    for i in range(len(splits) - 1):
        most += _most(xy[splits[i] : splits[i + 1]], w)
    return most


def draw(xy: Array, splits: Array, objects: Array, h: int, w: int, coco: bool) -> tuple[Array, Array]:
    """Object, and place in its column-wise pixels, of every change; in order.

    ``xy`` are the coordinates of all polygons, ``splits`` (P + 1,) where each begins, and ``objects`` (N + 1,) at
    which polygon each object begins.
    """
    most = _room(xy, splits, w) if h * w else 0
    mask, place = np.empty(most, np.int64), np.empty(most, np.int64)
    used = _draw(xy, splits, objects, h, w, coco, mask, place) if h * w else 0
    return mask[:used], place[:used]
