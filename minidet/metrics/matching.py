"""Which truth each detection takes: the boxes of one class in one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .rules import Rules


def overlaps(found: np.ndarray, truths: np.ndarray, crowd: np.ndarray, *, pixels: str = "exclusive") -> np.ndarray:
    """IoU (D, T) float64 of boxes ``found`` (D, 4) and ``truths`` (T, 4), both xywh float64.

    Of a truth that is a ``crowd`` (T,) it is the intersection over the detection's own area.  With "inclusive" pixels
    every width and height is one more.  One rounding per operation, in the order of COCO's program; 0 where the two do
    not intersect, also for boxes without area.
    """
    one = 1.0 if pixels == "inclusive" else 0.0
    d, t = found[:, None], truths[None]  # (D, 1, 4), (1, T, 4)
    sides = np.minimum(d[..., :2] + d[..., 2:], t[..., :2] + t[..., 2:]) - np.maximum(d[..., :2], t[..., :2]) + one
    apart = (sides <= 0).any(axis=-1)
    inter = sides[..., 0] * sides[..., 1]
    of_found = (d[..., 2] + one) * (d[..., 3] + one)
    of_truths = (t[..., 2] + one) * (t[..., 3] + one)
    whole = np.where(crowd[None], of_found, of_found + of_truths - inter)
    return np.where(apart, 0.0, inter / np.where(apart, 1.0, whole))


def match(
    overlap: np.ndarray, threshold: float, *, crowd: Sequence[bool], ignored: Sequence[bool], rules: Rules
) -> list[int]:
    """The truth that each detection takes, or -1: D indices, of ``overlap`` (D, T), the best detection first.

    ``rules.match`` "free": among the truths that are not taken and reach the threshold, one that counts before one that
    is ``ignored`` (T,), and of those the best; a crowd is never used up.  "best": the best truth of all, if it reaches
    the threshold and is not taken; an ignored one is never used up.  Equal truths: ``rules.tie``.
    """
    strict, last = rules.compare == ">", rules.tie == "last"
    taken: set[int] = set()
    result = []
    for row in overlap.tolist():
        enough = [t for t, iou in enumerate(row) if (iou > threshold if strict else iou >= threshold)]
        if rules.match == "best":
            best = _best(row, enough, last)
            if best in taken:
                best = -1
            elif best >= 0 and not ignored[best]:
                taken.add(best)
        else:
            free = [t for t in enough if t not in taken or crowd[t]]
            counted = [t for t in free if not ignored[t]]
            best = _best(row, counted or free, last)
            taken.add(best)
        result.append(best)
    return result


def _best(row: list[float], among: list[int], last: bool) -> int:
    """Of the truths ``among`` the one with the greatest overlap, or -1 for none."""
    best = -1
    for t in among:
        if best < 0 or row[t] > row[best] or (last and row[t] == row[best]):
            best = t
    return best
