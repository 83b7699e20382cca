"""Bugs of diou_nms, fast_nms, soft_nms and matrix_nms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import matrix_nms, nms, soft_nms
from minidet_kernels.suppression.distance import penalty

from minidet.conformance.operators import Answer, Inputs


def ranked(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")


def iou(a: np.ndarray, b: np.ndarray) -> Any:
    return iou_matrix(a[None], b[None])[0, 0]


def away(a: np.ndarray, b: np.ndarray) -> Any:
    return penalty(a[None], b, beta=1, width="exclusive")[0]


def greedy(inputs: Inputs, overlap: Callable[[Any, Any], Any]) -> Answer:
    """The first one not dropped stays, and so on, by any overlap of two boxes."""
    boxes, limit = inputs["boxes"], inputs["boxes"].dtype.type(inputs["threshold"])
    kept: list[int] = []
    for i in ranked(inputs["scores"]):
        if not any(overlap(boxes[k], boxes[i]) > limit for k in kept):
            kept.append(int(i))
    return np.array(kept, np.int64)


def diou(a: np.ndarray, b: np.ndarray) -> Any:
    return iou(a, b) - away(a, b)


def hull(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2]), 0)


def of_corners(a: np.ndarray, b: np.ndarray) -> Any:
    whole = (hull(a, b) ** 2).sum()
    return iou(a, b) - (((a[:2] - b[:2]) ** 2).sum() / whole if whole else 0)


def of_first_box(a: np.ndarray, b: np.ndarray) -> Any:
    whole, apart = ((a[2:] - a[:2]) ** 2).sum(), (a[:2] + a[2:] - b[:2] - b[2:]) / 2
    return iou(a, b) - ((apart**2).sum() / whole if whole else 0)


def of_area(a: np.ndarray, b: np.ndarray) -> Any:
    whole, apart = hull(a, b).prod(), (a[:2] + a[2:] - b[:2] - b[2:]) / 2
    return iou(a, b) - ((apart**2).sum() / whole if whole else 0)


def fast(inputs: Inputs, *, square: Callable[[Any], Any] = lambda m: np.triu(m, 1), sort: Any = ranked) -> Answer:
    """The whole matrix in the order of the scores; its upper triangle has who may drop whom."""
    boxes, order = inputs["boxes"], sort(inputs["scores"])
    m = square(iou_matrix(boxes[order], boxes[order]))
    return order[m.max(axis=0, initial=0) <= m.dtype.type(inputs["threshold"])]


def neighbour(m: np.ndarray) -> np.ndarray:
    return np.triu(m, 1) - np.triu(m, 2)


def places(inputs: Inputs) -> Answer:
    order = ranked(inputs["scores"])
    return np.argsort(order, kind="stable")[np.asarray(fast(inputs))]


def soft(
    inputs: Inputs,
    *,
    lowers: Callable[[Any, float], Any] = lambda v, sigma: np.exp(-(v * v) / sigma),
    again: bool = True,
    returned: str = "lowered",
    also_kept: bool = False,
    floor_first: bool = False,
) -> Answer:
    """Soft-NMS in float64, with one step changed."""
    boxes, s = inputs["boxes"].astype(np.float64), inputs["scores"].astype(np.float64)
    m, given, order = iou_matrix(boxes, boxes), s.copy(), list(ranked(s))
    floor = float(inputs["scores"].dtype.type(inputs["floor"]))
    if floor_first:
        order = [i for i in order if s[i] > floor]
    kept: list[int] = []
    while order:
        best = max(order, key=lambda i: (s[i], -i)) if again else order[0]
        if not floor_first and s[best] <= floor:
            break
        order.remove(best)
        kept.append(int(best))
        lowered = list(range(len(s))) if also_kept else order
        for i in lowered:
            if i != best:
                s[i] *= lowers(m[best, i], inputs["sigma"])
    index = np.array(kept, np.int64)
    return index, (given if returned == "given" else s)[index].astype(inputs["scores"].dtype)


def soft_in_place(inputs: Inputs) -> Answer:
    index, lowered = soft_nms(inputs["boxes"], inputs["scores"], sigma=inputs["sigma"], floor=inputs["floor"])
    inputs["scores"][index] = lowered
    return index, lowered


def soft_places(inputs: Inputs) -> Answer:
    order = ranked(inputs["scores"])
    options = {"sigma": inputs["sigma"], "floor": inputs["floor"]}
    return soft_nms(inputs["boxes"][order], inputs["scores"][order], **options)


def hard_then_soft(inputs: Inputs) -> Answer:
    """What overlaps too much is dropped as well."""
    kept = set(nms(inputs["boxes"], inputs["scores"], threshold=inputs["threshold"]).tolist())
    index, lowered = soft_nms(inputs["boxes"], inputs["scores"], sigma=inputs["sigma"], floor=inputs["floor"])
    stay = np.array([i in kept for i in index.tolist()], bool)
    return index[stay], lowered[stay]


def lowered(inputs: Inputs, *, upper: bool = True, axis: int = 0, pick: Any = np.min, own: bool = False) -> Answer:
    """Matrix NMS in float64, with one step changed."""
    order = ranked(inputs["scores"])
    boxes = inputs["boxes"][order].astype(np.float64)
    m = iou_matrix(boxes, boxes)
    m = np.triu(m, 1) if upper else np.tril(m, -1)
    worst = m.max(axis=axis, initial=0)
    shares = np.exp(-(m**2 - (worst[None] if own else worst[:, None]) ** 2) / inputs["sigma"])
    factor = np.minimum(pick(shares, axis=0), 1)
    out = inputs["scores"].copy()
    out[order] *= factor.astype(out.dtype)
    return out


def uncompensated(inputs: Inputs) -> Answer:
    order = ranked(inputs["scores"])
    m = np.triu(iou_matrix(inputs["boxes"][order], inputs["boxes"][order]).astype(np.float64), 1)
    out = inputs["scores"].copy()
    out[order] *= np.exp(-(m.max(axis=0) ** 2) / inputs["sigma"]).astype(out.dtype)
    return out


def in_sorted_order(inputs: Inputs) -> Answer:
    order = ranked(inputs["scores"])
    return matrix_nms(inputs["boxes"][order], inputs["scores"][order], sigma=inputs["sigma"])


def not_sorted(inputs: Inputs) -> Answer:
    count = len(inputs["scores"])
    ones = matrix_nms(inputs["boxes"], np.arange(count, 0, -1).astype(np.float64), sigma=inputs["sigma"])
    return (inputs["scores"] * (ones / np.arange(count, 0, -1))).astype(inputs["scores"].dtype)


RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {
    "diou_nms": partial(greedy, overlap=diou),
    "fast_nms": fast,
    "soft_nms": soft,
    "matrix_nms": lowered,
}
BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "diou_nms": {
        "the distance is forgotten": partial(greedy, overlap=iou),
        "the distance is added": partial(greedy, overlap=lambda a, b: iou(a, b) + away(a, b)),
        "the distance is not squared": partial(greedy, overlap=lambda a, b: iou(a, b) - np.sqrt(away(a, b))),
        "the distance of the first corners": partial(greedy, overlap=of_corners),
        "the diagonal of one box": partial(greedy, overlap=of_first_box),
        "the area around both for the squared diagonal": partial(greedy, overlap=of_area),
        "indices into the sorted boxes": lambda inputs: ranked(inputs["scores"]).argsort(kind="stable")[
            np.asarray(greedy(inputs, diou))
        ],
    },
    "fast_nms": {
        "what is dropped drops nothing": lambda inputs: nms(
            inputs["boxes"], inputs["scores"], threshold=inputs["threshold"]
        ),
        "worse boxes drop better ones": partial(fast, square=lambda m: np.tril(m, -1)),
        "both drop each other": partial(fast, square=lambda m: m - np.diag(np.diag(m))),
        "a box drops itself": partial(fast, square=np.triu),
        "only neighbours in the ranking are compared": partial(fast, square=neighbour),
        "worst score first": partial(fast, sort=lambda scores: np.argsort(scores, kind="stable")),
        "indices into the sorted boxes": places,
    },
    "soft_nms": {
        "the overlap is not squared": partial(soft, lowers=lambda v, sigma: np.exp(-v / sigma)),
        "the square of sigma": partial(soft, lowers=lambda v, sigma: np.exp(-(v * v) / sigma**2)),
        "the order is that of the first scores": partial(soft, again=False),
        "scores are returned as they were given": partial(soft, returned="given"),
        "what was kept is lowered, too": partial(soft, also_kept=True),
        "scores are compared with the least before they are lowered": partial(soft, floor_first=True),
        "what overlaps too much is dropped besides": hard_then_soft,
        "indices into the sorted boxes": soft_places,
        "lowered scores are written into the input": soft_in_place,
    },
    "matrix_nms": {
        "no compensation": uncompensated,
        "a box is compensated by its own greatest overlap": partial(lowered, own=True),
        "worse boxes lower better ones": partial(lowered, upper=False),
        "the greatest overlap with a worse box compensates": partial(lowered, axis=1),
        "the greatest share instead of the least": partial(lowered, pick=np.max),
        "the product of all shares": partial(lowered, pick=np.prod),
        "the answer is in the order of the scores": in_sorted_order,
        "scores are taken for sorted": not_sorted,
    },
}
