"""``giou(a, b)``: the matrix of generalised overlaps."""

from __future__ import annotations

from .family import matrix
from .iou import pair
from .operator import Operator

GIOU = Operator(
    "giou",
    "giou(a, b): boxes (M, 4) and (N, 4) to (M, N)",
    matrix("giou"),
    (
        pair("touching at a corner", [0, 0, 1, 1], [1, 1, 2, 2], "width", "empty", "empty_hull"),
        pair("sides of different lengths", [0, 0, 2, 2], [1, 1, 4, 4], "width", "empty", "empty_hull"),
        pair("two equal points", [0, 0, 0, 0], [0, 0, 0, 0], "empty", "empty_hull", "width"),
        pair("two points", [0, 0, 0, 0], [1, 2, 1, 2], "empty", "empty_hull", "width"),
        pair("two equal boxes of 1e-4", [0, 0, 1e-4, 1e-4], [0, 0, 1e-4, 1e-4], "empty", "empty_hull", "width"),
        pair("two boxes of 1e-4", [0, 0, 1e-4, 1e-4], [2e-4, 0, 3e-4, 1e-4], "empty", "empty_hull", "width"),
        pair("inverted both ways", [2, 2, 0, 0], [0, 0, 2, 2], "inverted", "empty", "empty_hull", "width"),
        pair("inverted across", [2, 0, 0, 2], [0, 0, 2, 2], "inverted", "empty", "empty_hull", "width"),
    ),
    boxes=("a", "b"),
)
