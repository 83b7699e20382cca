"""Runs from polygons: what is inside an outline, by one of two rules.

``"even_odd"``   A pixel is inside when a ray from its centre, straight up, meets an odd number of edges; an edge has
                 its left end and not its right one, and a centre on an edge is below it.  So boxes have their left and
                 upper sides and not the others, and polygons that share edges share no pixel.  Every decision is
                 exact, whatever the rounding; ``by_centres`` is the definition.
``"coco"``       COCO's program (``rleFrPoly`` of its ``maskApi.c``), bit for bit: corners are rounded to fifths of a
                 pixel, the outline is followed in steps of a fifth, and a column begins to be inside at the pixel after
                 the one the outline passes.  Masks are a little smaller or larger than the polygon, and what leaves
                 the image at the left is not cut but bent.

The polygons of one object are united by either rule: they are parts, not holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from ..arrays import Array
from . import check
from .runs import Runs, from_changes

#: Coordinates are smaller than this: in fifths of a pixel they are int32, as in COCO's program.
FAR = 2.0**28
#: Coordinates nearer to 0 than this are taken for 0, so that their products are exact.
NEAR = 2.0**-200


def by_centres(polygon: Sequence[float] | Array, size: tuple[int, int]) -> Array:
    """The definition of ``"even_odd"``: the mask (h, w) of one polygon ``x0 y0 x1 y1 ...``, in rational arithmetic."""
    corners = [(Fraction(float(x)), Fraction(float(y))) for x, y in np.reshape(polygon, (-1, 2))]
    inside = np.zeros(size, bool)
    for row, column in np.ndindex(size):
        x, y = column + Fraction(1, 2), row + Fraction(1, 2)
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (ax <= x) != (bx <= x):
                inside[row, column] ^= ay + (x - ax) * (by - ay) / (bx - ax) <= y
    return inside


def from_polygons(polygons: Sequence[Sequence[Any]], *, size: tuple[int, int], rule: str = "even_odd") -> Runs:
    """The masks of N objects: ``polygons[n]`` are those of object n, each one ``x0 y0 x1 y1 ...`` in pixels.

    x grows to the right and y downwards; the corner of the image is 0 0, the centre of its first pixel .5 .5; ``size``
    is (h, w) of every mask.  An object without polygons has no pixels, nor has a polygon of fewer than three corners.
    Coordinates nearer to 0 than 2**-200 are taken for 0.

    Raises ``ValueError`` for an odd number of coordinates, for one that is not finite or not within 2**28, and for an
    unknown rule; ``TypeError`` for what is no list of lists of numbers.
    """
    check.sizes("from_polygons", size)
    if rule not in ("even_odd", "coco"):
        raise ValueError(f"from_polygons: rule must be 'even_odd' or 'coco', not {rule!r}")
    h, w = int(size[0]), int(size[1])
    objects = np.concatenate([[0], np.cumsum([len(parts) for parts in polygons], dtype=np.int64)])
    lengths = np.array([_length(n, part) for n, parts in enumerate(polygons) for part in parts], np.int64)
    xy = _numbers(polygons, lengths)
    owner = np.repeat(np.arange(len(polygons)), np.diff(objects))  # of each polygon
    if (lengths % 2).any():
        part = int((lengths % 2).argmax())
        raise ValueError(
            f"from_polygons: object {owner[part]} has a polygon of {lengths[part]} numbers; they are pairs, x and y"
        )
    bad = ~(np.abs(xy) < FAR)
    if bad.any():
        n = owner[np.searchsorted(np.cumsum(lengths), int(bad.argmax()), side="right")]
        raise ValueError(f"from_polygons: object {n} has a coordinate of {xy[bad][0]}, not within 2**28 = {FAR:.0f}")
    xy = np.where(np.abs(xy) < NEAR, 0.0, xy)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    from .drawing import draw

    mask, place = draw(xy, splits, objects, h, w, rule == "coco")
    return from_changes(mask, place, len(polygons), (h, w))


def _length(n: int, part: Any) -> int:
    try:
        return len(part)
    except TypeError:
        raise TypeError(
            f"from_polygons: object {n} must be a list of polygons, each a list of numbers, not of {part!r}"
        ) from None


def _numbers(polygons: Sequence[Sequence[Any]], lengths: Array) -> Array:
    """All coordinates, one polygon after the other."""
    if not len(lengths):
        return np.zeros(0)
    parts = list(chain.from_iterable(polygons))
    try:
        if isinstance(parts[0], np.ndarray):
            return np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in parts])
        flat = np.array(list(chain.from_iterable(parts)), np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"from_polygons: polygons[n] must be a list of polygons, each a flat list of numbers ({error})"
        ) from None
    if flat.shape != (lengths.sum(),):
        raise TypeError("from_polygons: polygons[n] must be a list of polygons, each a flat list of numbers")
    return flat
