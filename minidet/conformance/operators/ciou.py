"""``ciou(a, b)``: the matrix of overlaps less shares for the distance and for the shape."""

from __future__ import annotations

from .family import matrix
from .iou import pair
from .operator import Operator

CIOU = Operator(
    "ciou",
    "ciou(a, b): boxes (M, 4) and (N, 4) to (M, N)",
    matrix("ciou"),
    (
        pair("2 x 1 and 1 x 2", [0, 0, 2, 1], [0, 0, 1, 2], "width", "alpha", "empty", "empty_hull"),
        pair("4 x 3 and 3 x 3, IoU 3/4", [0, 0, 4, 3], [0, 0, 3, 3], "width", "alpha", "empty", "empty_hull"),
        pair("touching at a corner", [0, 0, 1, 1], [1, 1, 2, 3], "width", "alpha", "empty", "empty_hull"),
        pair("two equal boxes", [0, 0, 2, 1], [0, 0, 2, 1], "width", "alpha", "empty", "empty_hull"),
        pair("a point and a square", [0, 0, 0, 0], [0, 0, 2, 2], "angle", "width", "empty", "empty_hull", "alpha"),
        pair("two equal points", [0, 0, 0, 0], [0, 0, 0, 0], "empty", "empty_hull", "width", "angle", "alpha"),
        pair(
            "two equal boxes of 1e-4", [0, 0, 1e-4, 1e-4], [0, 0, 1e-4, 1e-4], "empty", "empty_hull", "width", "alpha"
        ),
        pair("two equal lines", [0, 0, 0, 1], [0, 0, 0, 1], "empty", "width", "alpha"),
        pair("two boxes of 1e-4", [0, 0, 1e-4, 1e-4], [2e-4, 0, 3e-4, 1e-4], "empty", "empty_hull", "width"),
        pair(
            "inverted both ways",
            [3, 3, 1, 1],
            [3, 3, 0, 1],
            "inverted",
            "empty",
            "empty_hull",
            "width",
            "angle",
            "alpha",
        ),
        pair(
            "inverted across", [2, 0, 0, 1], [0, 0, 2, 2], "inverted", "empty", "empty_hull", "width", "angle", "alpha"
        ),
    ),
    boxes=("a", "b"),
)
