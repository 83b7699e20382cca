"""``diou(a, b)``: the matrix of overlaps less a share for the distance of the centres."""

from __future__ import annotations

from .family import matrix
from .iou import pair
from .operator import Operator

DIOU = Operator(
    "diou",
    "diou(a, b): boxes (M, 4) and (N, 4) to (M, N)",
    matrix("diou"),
    (
        pair("IoU 3/5, centres 1 apart", [0, 0, 4, 1], [1, 0, 5, 1], "exponent", "width", "empty", "empty_hull"),
        pair("touching at a corner", [0, 0, 1, 1], [1, 1, 2, 2], "exponent", "width", "empty", "empty_hull"),
        pair("two equal points", [0, 0, 0, 0], [0, 0, 0, 0], "empty", "empty_hull", "width", "exponent"),
        pair("two equal boxes of 1e-4", [0, 0, 1e-4, 1e-4], [0, 0, 1e-4, 1e-4], "empty", "empty_hull", "width"),
        pair(
            "two boxes of 1e-4",
            [0, 0, 1e-4, 1e-4],
            [2e-4, 0, 3e-4, 1e-4],
            "empty",
            "empty_hull",
            "width",
            "exponent",
        ),
        pair("inverted across", [2, 0, 0, 2], [0, 0, 2, 2], "inverted", "empty", "empty_hull", "width"),
        pair("inverted both ways", [3, 3, 1, 1], [3, 3, 0, 1], "inverted", "empty", "empty_hull", "width", "exponent"),
    ),
    boxes=("a", "b"),
)
