"""Targets for whole runs: slow ones, ones of another shape or type, and markup where text is expected."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from support.recorded_nms import nms

__all__ = ["nms"]


def slow(boxes: Any, scores: Any, threshold: float) -> Any:
    """Right, and slow."""
    time.sleep(0.3)
    return nms(boxes, scores, threshold)


def of_shape(boxes: Any, scores: Any, threshold: float) -> Any:
    """A column, not a row."""
    return nms(boxes, scores, threshold)[:, None]


def mask(boxes: Any, scores: Any, threshold: float) -> Any:
    """Truths, not indices."""
    kept = np.zeros(len(boxes), bool)
    kept[nms(boxes, scores, threshold)] = True
    return kept


def refuses(boxes: Any, scores: Any, threshold: float) -> Any:
    """Takes nothing, and says so in markup."""
    raise ValueError("<script>alert('&')</script>\nsecond line")


def sleeps(boxes: Any, scores: Any, threshold: float) -> Any:
    """Never returns."""
    time.sleep(1000)


def asks(boxes: Any, scores: Any, threshold: float) -> Any:
    """Waits for somebody to type."""
    input("continue? ")
    return nms(boxes, scores, threshold)


def spoils_lists(boxes: Any, scores: Any, threshold: float) -> Any:
    """Changes what it was given, where that is lists."""
    kept = nms(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), threshold)
    boxes.append("no box")
    return kept


def by_name(boxes: Any, *, scores: Any, threshold: float, least: float = 0.0) -> Any:
    """Takes scores by their name alone, and keeps the last box twice."""
    kept = nms(boxes, scores, threshold)
    return np.append(kept, kept[-1:])


def through_dlpack(boxes: Any, scores: Any, threshold: float) -> Any:
    """Takes objects that have nothing but DLPack's methods, and gives one."""
    assert not hasattr(boxes, "shape")
    kept = nms(np.from_dlpack(boxes), np.from_dlpack(scores), threshold)
    return Capsule(kept)


def spoils_dlpack(boxes: Any, scores: Any, threshold: float) -> Any:
    """Changes what it was given."""
    array = np.from_dlpack(boxes)
    kept = nms(array, np.from_dlpack(scores), threshold)
    array += 1
    return kept


class Capsule:
    """Somebody else's array."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **how: Any) -> Any:
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def overlaps(a: Any, b: Any) -> Any:
    """IoU, some units too large."""
    from minidet_kernels.overlap import iou_matrix

    return iou_matrix(a, b) * np.float32(1 + 2**-18)
