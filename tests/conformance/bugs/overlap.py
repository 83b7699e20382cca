"""Bugs of giou, diou, ciou, and of the losses on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from support.own_overlaps import loss_and_gradient

from minidet.conformance.operators import Answer, Inputs

from .overlap_base import area, sides


def around(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2]), 0)


def share(part: Any, whole: Any) -> Any:
    return part / whole if whole > 0 else 0


def parts(a: np.ndarray, b: np.ndarray) -> tuple[Any, Any, Any]:
    """IoU, and the areas of the union and of the box around both."""
    inter = sides(a, b).prod()
    union = area(a) + area(b) - inter
    return share(inter, union), union, around(a, b).prod()


def matrix(inputs: Inputs, pair: Callable[[Any, Any], Any]) -> Answer:
    """One by one, in float64."""
    a, b = (inputs[name].astype(np.float64) for name in ("a", "b"))
    found = np.array([[pair(one, other) for other in b] for one in a])
    return found.astype(inputs["a"].dtype).reshape(len(a), len(b))


def giou(a: np.ndarray, b: np.ndarray) -> Any:
    iou, union, hull = parts(a, b)
    return iou - share(hull - union, hull)


def giou_of_areas(a: np.ndarray, b: np.ndarray) -> Any:
    iou, _, hull = parts(a, b)
    return iou - share(hull - area(a) - area(b), hull)


def giou_over_union(a: np.ndarray, b: np.ndarray) -> Any:
    iou, union, hull = parts(a, b)
    return iou - share(hull - union, union)


def giou_added(a: np.ndarray, b: np.ndarray) -> Any:
    iou, union, hull = parts(a, b)
    return iou + share(hull - union, hull)


def giou_only_apart(a: np.ndarray, b: np.ndarray) -> Any:
    return giou(a, b) if parts(a, b)[0] == 0 else parts(a, b)[0]


def distance(a: np.ndarray, b: np.ndarray) -> Any:
    return (((a[:2] + a[2:] - b[:2] - b[2:]) / 2) ** 2).sum()


def diagonal(a: np.ndarray, b: np.ndarray) -> Any:
    return (around(a, b) ** 2).sum()


def diou(a: np.ndarray, b: np.ndarray, apart: Any = distance, whole: Any = diagonal) -> Any:
    return parts(a, b)[0] - share(apart(a, b), whole(a, b))


def shape(a: np.ndarray, b: np.ndarray) -> Any:
    (aw, ah), (bw, bh) = a[2:] - a[:2], b[2:] - b[:2]
    return (2 / math.pi * (math.atan2(aw, ah) - math.atan2(bw, bh))) ** 2


def by_sides(a: np.ndarray, b: np.ndarray) -> Any:
    (aw, ah), (bw, bh) = a[2:] - a[:2], b[2:] - b[:2]
    return (2 / math.pi * (math.atan2(aw, bw) - math.atan2(ah, bh))) ** 2


def ciou(a: np.ndarray, b: np.ndarray, v: Any = shape, weight: Any = None) -> Any:
    iou, angle = parts(a, b)[0], v(a, b)
    alpha = share(angle, 1 - iou + angle) if weight is None else weight(iou, angle)
    return diou(a, b) - alpha * angle


def first_pair_for_all(inputs: Inputs) -> Answer:
    """The shape of the first box of each list for all, as a broadcast along the wrong axis does."""
    found = np.asarray(matrix(inputs, diou)).astype(np.float64)
    a, b = (inputs[name].astype(np.float64) for name in ("a", "b"))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            found[i, j] = diou(one, other) - (diou(one, b[0]) - ciou(one, b[0]))
    return found.astype(inputs["a"].dtype)


def loss(inputs: Inputs, kind: str, change: Callable[[Any, Any, Inputs], Answer] | None = None) -> Answer:
    """Ours, changed afterwards."""
    value, gradient = loss_and_gradient(inputs["pred"], inputs["target"], kind=kind)
    return (value, gradient) if change is None else change(value, gradient, inputs)


def swapped(inputs: Inputs, kind: str) -> Answer:
    """The gradient for the target."""
    value, gradient = loss_and_gradient(inputs["target"], inputs["pred"], kind=kind)
    return value, gradient


def of_sides(value: Any, gradient: Any, inputs: Inputs) -> Answer:
    """The gradient for a corner and the sides."""
    return value, np.concatenate([gradient[:, :2] + gradient[:, 2:], gradient[:, 2:]], axis=1)


def another(inputs: Inputs, kind: str, other: str) -> Answer:
    """The gradient of another loss."""
    return loss_and_gradient(inputs["pred"], inputs["target"], kind=kind)[0], loss_and_gradient(
        inputs["pred"], inputs["target"], kind=other
    )[1]


def _losses(kind: str, simpler: str) -> Mapping[str, Callable[[Inputs], Answer]]:
    return {
        "the gradient has the other sign": partial(loss, kind=kind, change=lambda v, g, _: (v, -g)),
        "the gradient of the mean": partial(loss, kind=kind, change=lambda v, g, _: (v, g / max(len(v), 1))),
        "the gradient for the target": partial(swapped, kind=kind),
        "the gradient for a corner and sides": partial(loss, kind=kind, change=of_sides),
        "the gradient of a simpler loss": partial(another, kind=kind, other=simpler),
        "x and y change places in the gradient": partial(
            loss, kind=kind, change=lambda v, g, _: (v, g[:, [1, 0, 3, 2]])
        ),
        "no gradient where the boxes are apart": partial(
            loss, kind=kind, change=lambda v, g, inputs: (v, np.where((v < 1)[:, None], g, 0).astype(g.dtype))
        ),
        "the loss is the overlap": partial(loss, kind=kind, change=lambda v, g, _: (1 - v, g)),
        "the loss is cut at 1": partial(loss, kind=kind, change=lambda v, g, _: (np.minimum(v, 1), g)),
    }


RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {
    "giou": partial(matrix, pair=giou),
    "diou": partial(matrix, pair=diou),
    "ciou": partial(matrix, pair=ciou),
    "giou_loss": partial(loss, kind="giou"),
    "diou_loss": partial(loss, kind="diou"),
    "ciou_loss": partial(loss, kind="ciou"),
}
BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "giou": {
        "the intersection is counted twice in the union": partial(matrix, pair=giou_of_areas),
        "the rest over the union": partial(matrix, pair=giou_over_union),
        "the rest is added": partial(matrix, pair=giou_added),
        "nothing is taken away where the boxes overlap": partial(matrix, pair=giou_only_apart),
        "no value below zero": lambda inputs: np.maximum(np.asarray(matrix(inputs, giou)), 0),
        "the matrix is filled column by column": lambda inputs: np.asarray(matrix(inputs, giou)).T.reshape(
            len(inputs["a"]), len(inputs["b"])
        ),
    },
    "diou": {
        "the distance is not squared": partial(matrix, pair=partial(diou, apart=lambda a, b: distance(a, b) ** 0.5)),
        "the distance of the first corners": partial(
            matrix, pair=partial(diou, apart=lambda a, b: ((a[:2] - b[:2]) ** 2).sum())
        ),
        "centres are not halved": partial(matrix, pair=partial(diou, apart=lambda a, b: 4 * distance(a, b))),
        "the diagonal of the intersection": partial(
            matrix, pair=partial(diou, whole=lambda a, b: (sides(a, b) ** 2).sum())
        ),
        "the distance along x alone": partial(
            matrix, pair=partial(diou, apart=lambda a, b: ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2)
        ),
        "the root is not left out": partial(
            matrix, pair=lambda a, b: parts(a, b)[0] - share(distance(a, b), diagonal(a, b)) ** 0.5
        ),
    },
    "ciou": {
        "the shape is left out": partial(matrix, pair=diou),
        "the weight is 1": partial(matrix, pair=partial(ciou, weight=lambda iou, v: 1)),
        "the weight is not over 1 - IoU": partial(matrix, pair=partial(ciou, weight=lambda iou, v: share(v, 1 + v))),
        "the weight over 1 - IoU alone": partial(matrix, pair=partial(ciou, weight=lambda iou, v: share(v, 1 - iou))),
        "widths are compared with widths": partial(matrix, pair=partial(ciou, v=by_sides)),
        "2 / pi^2": partial(matrix, pair=partial(ciou, v=lambda a, b: shape(a, b) / 2)),
        "the angle is not squared": partial(matrix, pair=partial(ciou, v=lambda a, b: shape(a, b) ** 0.5)),
        "the shape of the first box of b for all": first_pair_for_all,
    },
    "giou_loss": _losses("giou", "iou"),
    "diou_loss": _losses("diou", "iou"),
    "ciou_loss": _losses("ciou", "diou"),
}
