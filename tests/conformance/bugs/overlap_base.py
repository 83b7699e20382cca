"""Bugs of iou."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs


def iou(inputs: Inputs, **how: Any) -> Answer:
    """One by one, in the boxes' dtype; each keyword takes the place of one step."""
    a, b = inputs["a"], inputs["b"]
    pair = how.get("pair", value)
    return np.array([[pair(one, other, **how) for other in b] for one in a], a.dtype).reshape(len(a), len(b))


def area(box: np.ndarray) -> Any:
    return np.maximum(box[2:] - box[:2], 0).prod()


def sides(a: np.ndarray, b: np.ndarray) -> Any:
    return np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)


def joined(inter: Any, a: Any, b: Any) -> Any:
    return a + b - inter


def value(
    a: np.ndarray, b: np.ndarray, *, side: Any = sides, first: Any = area, second: Any = area, union: Any = joined,
    **_: Any,
) -> Any:  # fmt: skip
    inter = side(a, b).prod()
    every = union(inter, first(a), second(b))
    return inter / every if every > 0 else 0


def y_by_x(a: np.ndarray, b: np.ndarray) -> Any:
    right = sides(a, b)
    return np.array([right[0], max(min(a[3], b[3]) - max(a[0], b[0]), 0)])


def transposed(inputs: Inputs) -> Answer:
    matrix = np.asarray(iou(inputs))
    return matrix.T.reshape(matrix.shape)


def in_place(inputs: Inputs) -> Answer:
    answer = iou(inputs)
    for name in ("a", "b"):
        inputs[name][:, 2:] -= inputs[name][:, :2]
    return answer


def row_of_first(inputs: Inputs) -> Answer:
    matrix = np.asarray(iou(inputs)).copy()
    matrix[1:] = matrix[:1]
    return matrix


def diagonal_of_ones(inputs: Inputs) -> Answer:
    matrix = np.asarray(iou(inputs)).copy()
    np.fill_diagonal(matrix, 1)
    return matrix


def inside(a: np.ndarray, b: np.ndarray) -> Any:
    """A box inside another: the whole of the smaller one is not seen, only corners that lie in the other."""
    seen = any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for x in a[[0, 2]] for y in a[[1, 3]])
    return sides(a, b) if seen else np.zeros(2)


RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {"iou": iou}
BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "iou": {
        "the intersection is counted twice in the union": partial(iou, union=lambda inter, a, b: a + b),
        "intersection over the smaller area": partial(iou, union=lambda inter, a, b: min(a, b)),
        "intersection over the first area": partial(iou, union=lambda inter, a, b: a),
        "one area for both": partial(iou, union=lambda inter, a, b: a + a - inter),
        "sides of the intersection are not clipped": partial(
            iou, side=lambda a, b: np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        ),
        "the distance of far boxes counts as a side": partial(
            iou, side=lambda a, b: np.abs(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
        ),
        "a y is compared with an x": partial(iou, side=y_by_x),
        "no corner of the first in the second: no overlap": partial(iou, side=inside),
        "a pixel is added to the intersection alone": partial(iou, side=lambda a, b: sides(a, b) + 1),
        "a pixel is added to the areas alone": partial(
            iou, first=lambda box: (box[2:] - box[:2] + 1).prod(), second=lambda box: (box[2:] - box[:2] + 1).prod()
        ),
        "the second corner is taken for sides in the areas": partial(iou, first=lambda box: abs(box[2] * box[3])),
        "the matrix is filled column by column": transposed,
        "only the first row is computed": row_of_first,
        "ones on the diagonal": diagonal_of_ones,
        "sides overwrite the corners of the input": in_place,
        "rounded to half precision": lambda inputs: np.asarray(iou(inputs)).astype(np.float16).astype(np.float32),
        "one row too many": lambda inputs: np.concatenate([iou(inputs), np.zeros_like(np.asarray(iou(inputs))[:1])]),
    },
}  # fmt: skip
