"""Bugs of nms and batched_nms."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from minidet.conformance.operators import Answer, Inputs

SHUFFLE = random.Random(8)  # goes on from call to call, as the order of threads does


def falling(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")


def iou(a: np.ndarray, b: np.ndarray) -> Any:
    """In the boxes' dtype; 0 where the union is."""
    both = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both
    return both / union if union > 0 else a.dtype.type(0)


def unclipped(a: np.ndarray, b: np.ndarray) -> Any:
    both = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both
    return both / union if union > 0 else a.dtype.type(0)


def of_smaller(a: np.ndarray, b: np.ndarray) -> Any:
    both = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    least = min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod())
    return both / least if least > 0 else a.dtype.type(0)


def across(a: np.ndarray, b: np.ndarray) -> Any:
    return iou(a * [1, 0, 1, 0] + [0, 0, 0, 1], b * [1, 0, 1, 0] + [0, 0, 0, 1])


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    *,
    rank: Callable[[np.ndarray], Any] = falling,
    over: Callable[[np.ndarray, np.ndarray], Any] = iou,
    by: str = "kept",
) -> list[int]:
    """Greedy; ``by`` says which better boxes suppress: those kept, all, the last kept, one group of three, ..."""
    kept: list[int] = []
    seen: list[int] = []
    limit = boxes.dtype.type(threshold)
    for at, i in enumerate(rank(scores)):
        others = {
            "kept": kept,
            "all": seen,
            "last": kept[-1:],
            "first": kept[:1],
            "block": [k for k in kept if seen.index(k) // 2 == at // 2],
            "better": [k for k in kept if scores[k] > scores[i]],
            "near": [k for k in kept if abs(k - i) == 1],
        }[by]
        if not any(over(boxes[k], boxes[i]) > limit for k in others):
            kept.append(int(i))
        seen.append(int(i))
    return kept


def taken(inputs: Inputs) -> tuple[np.ndarray, np.ndarray, float]:
    return inputs["boxes"], inputs["scores"], float(inputs["threshold"])


def nms(inputs: Inputs, **how: Any) -> Answer:
    return np.array(suppress(*taken(inputs), **how), np.int64)


def of_sorted(inputs: Inputs) -> Answer:
    boxes, scores, threshold = taken(inputs)
    order = falling(scores)
    return np.array(suppress(boxes[order], scores[order], threshold), np.int64)


def half_sorted(inputs: Inputs) -> Answer:
    boxes, scores, threshold = taken(inputs)
    order = falling(scores)
    return order[suppress(boxes, scores[order], threshold)].astype(np.int64)


def remapped_twice(inputs: Inputs) -> Answer:
    boxes, scores, threshold = taken(inputs)
    order = falling(scores)
    return order[suppress(boxes, scores, threshold)].astype(np.int64)


def in_place(inputs: Inputs) -> Answer:
    answer = nms(inputs)
    inputs["boxes"][:, 2:] -= inputs["boxes"][:, :2]
    return answer


def sorts_in_place(inputs: Inputs) -> Answer:
    answer = nms(inputs)
    inputs["scores"][::-1].sort()
    return answer


def racing(inputs: Inputs) -> Answer:
    """Each box looks at the better ones that are not dropped yet; the boxes come in any order."""
    boxes, scores, threshold = taken(inputs)
    order = [int(i) for i in falling(scores)]
    alive = dict.fromkeys(order, True)
    limit = boxes.dtype.type(threshold)
    for at in SHUFFLE.sample(range(len(order)), len(order)):
        i = order[at]
        alive[i] = not any(alive[k] and iou(boxes[k], boxes[i]) > limit for k in order[:at])
    return np.array([i for i in order if alive[i]], np.int64)


def by_class(inputs: Inputs, *, classes: Any = None, remap: bool = True, merge: bool = True, **how: Any) -> Answer:
    boxes, scores, threshold = taken(inputs)
    classes = inputs["classes"] if classes is None else classes(inputs)
    kept: list[int] = []
    for one in np.unique(classes):
        members = np.flatnonzero(classes == one)
        found = suppress(boxes[members], scores[members], threshold, **how)
        kept += [int(members[k]) if remap else k for k in found]
    if merge:
        stay = set(kept)
        kept = [int(i) for i in falling(scores) if int(i) in stay]
    return np.array(kept, np.int64)


def shifted(inputs: Inputs, *, by: float, axes: Any = (1, 1, 1, 1), write: bool = False) -> Answer:
    """Classes are moved apart."""
    boxes, scores, threshold = taken(inputs)
    offset = (inputs["classes"][:, None] * by * np.array(axes)).astype(boxes.dtype)
    moved = boxes + offset
    answer = np.array(suppress(moved, scores, threshold), np.int64)
    if write:
        boxes += offset
    return answer


def without_background(inputs: Inputs) -> Answer:
    kept = np.asarray(by_class(inputs))
    return kept[inputs["classes"][kept] > 0]


def sorted_alone(inputs: Inputs) -> Answer:
    """Boxes and scores are sorted, classes are left as they were."""
    order = falling(inputs["scores"])
    found = by_class({**inputs, "boxes": inputs["boxes"][order], "scores": inputs["scores"][order]})
    return order[found].astype(np.int64)


def first_class_alone(inputs: Inputs) -> Answer:
    classes = inputs["classes"]
    first = classes == classes.min()
    apart = np.where(first, -1, np.arange(len(classes)))
    return by_class(inputs, classes=lambda inputs: apart)


def racing_by_class(inputs: Inputs) -> Answer:
    """Classes add their boxes to the result as they finish."""
    kept: list[int] = []
    classes = list(np.unique(inputs["classes"]))
    for one in SHUFFLE.sample(classes, len(classes)):
        members = np.flatnonzero(inputs["classes"] == one)
        kept += [
            int(members[k]) for k in suppress(inputs["boxes"][members], inputs["scores"][members], inputs["threshold"])
        ]
    return np.array(sorted(kept, key=lambda i: -inputs["scores"][i]), np.int64)


RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {"nms": nms, "batched_nms": by_class}
BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "nms": {
        "a box that was dropped drops others (A-B-C)": partial(nms, by="all"),
        "only the last kept box is compared": partial(nms, by="last"),
        "only the best box is compared": partial(nms, by="first"),
        "boxes of another block are not compared": partial(nms, by="block"),
        "only neighbours in the list are compared": partial(nms, by="near"),
        "boxes of equal scores do not suppress each other": partial(nms, by="better"),
        "not sorted": partial(nms, rank=lambda scores: range(len(scores))),
        "sorted by rising scores": partial(nms, rank=lambda scores: np.argsort(scores, kind="stable")),
        "indices into the sorted boxes": of_sorted,
        "scores are sorted, boxes are not": half_sorted,
        "indices are mapped back twice": remapped_twice,
        "sides of the intersection are not clipped": partial(nms, over=unclipped),
        "intersection over the smaller area": partial(nms, over=of_smaller),
        "heights are not looked at": partial(nms, over=across),
        "sides overwrite the corners of the input": in_place,
        "the input's scores are sorted in place": sorts_in_place,
        "threads read what others have yet to write": racing,
        "the last box is forgotten": partial(nms, rank=lambda scores: falling(scores)[: max(len(scores) - 1, 1)]),
    },
    "batched_nms": {
        "indices within the class": partial(by_class, remap=False),
        "class after class, not by score": partial(by_class, merge=False),
        "classes are moved apart by 1": partial(shifted, by=1),
        "classes are moved apart by 8": partial(shifted, by=8),
        "the moved boxes overwrite the input": partial(shifted, by=8192, write=True),
        "of boxes that are moved apart only one corner moves": partial(shifted, by=4096, axes=(0, 0, 1, 1)),
        "class 0 is taken for background": without_background,
        "classes are not sorted with the boxes": sorted_alone,
        "only the first class is suppressed": first_class_alone,
        "classes are joined in the order of threads": racing_by_class,
        "a box that was dropped drops others (A-B-C)": partial(by_class, by="all"),
        "only the last kept box of the class is compared": partial(by_class, by="last"),
        "not sorted within a class": partial(by_class, rank=lambda scores: range(len(scores))),
        "classes modulo 2": partial(by_class, classes=lambda inputs: inputs["classes"] % 2),
    },
}  # fmt: skip
