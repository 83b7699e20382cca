"""Implementations that behave badly, and some that follow a convention by hand; run in a process of their own."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np


def nms(boxes: Any, scores: Any, threshold: float, *, inclusive: bool = False, plus: float = 0.0) -> np.ndarray:
    """Greedy, in float64, of the highest index first among ties."""
    boxes = np.asarray(boxes, np.float64)
    kept: list[int] = []
    area = (boxes[:, 2] - boxes[:, 0] + plus) * (boxes[:, 3] - boxes[:, 1] + plus)
    for i in np.argsort(np.asarray(scores, np.float64), kind="stable")[::-1]:
        for k in kept:
            sides = np.minimum(boxes[i, 2:], boxes[k, 2:]) - np.maximum(boxes[i, :2], boxes[k, :2]) + plus
            both = np.maximum(sides, 0).prod()
            with np.errstate(all="ignore"):
                iou = both / (area[i] + area[k] - both)
            if iou > threshold or (inclusive and iou == threshold):
                break
        else:
            kept.append(int(i))
    return np.array(kept, np.int64)


def nms_of_lists(boxes: Any, scores: Any, threshold: float) -> list[int]:
    """Boxes are lists of a corner and sides; what it prints must not matter."""
    print("looking at", len(boxes), "boxes")
    assert isinstance(boxes, list)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return nms(corners, scores, threshold).tolist()


def chained(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Wrong in no known way: it never keeps more than one box."""
    return nms(boxes, scores, threshold)[:1]


def spoils(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Changes its input."""
    kept = nms(boxes, scores, threshold)
    boxes += 1
    return kept


def wavers(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Another order at every second call."""
    wavers.calls += 1  # type: ignore[attr-defined]
    return nms(boxes, scores, threshold)[:: 1 if wavers.calls % 2 else -1]  # type: ignore[attr-defined]


wavers.calls = 0  # type: ignore[attr-defined]


def dies(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Ends its process where scores tie."""
    if len(set(scores.tolist())) < len(scores):
        print("ran away", file=sys.stderr)
        sys.stderr.flush()
        os.abort()
    return nms(boxes, scores, threshold)


def sleeps(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Never returns where scores tie."""
    if len(set(scores.tolist())) < len(scores):
        time.sleep(1000)
    return nms(boxes, scores, threshold)


def gives_words(boxes: Any, scores: Any, threshold: float) -> Any:
    """Returns no numbers."""
    return ["a", "b"]


def gives_nothing(boxes: Any, scores: Any, threshold: float) -> None:
    """Returns None."""


not_a_function = 3
