"""Object keypoint similarity, what IoU is for boxes."""

from __future__ import annotations

import numpy as np

#: How far annotators disagree on each of COCO's 17 keypoints of a person, relative to the root of its area.
SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 100 / 10
)  # as COCO's program rounds them


def oks(
    found: np.ndarray, truths: np.ndarray, boxes: np.ndarray, areas: np.ndarray, sigmas: np.ndarray = SIGMAS
) -> np.ndarray:
    """Similarity (D, T) in [0, 1] of keypoints ``found`` (D, K, 3) with those of ``truths`` (T, K, 3).

    The mean, over the keypoints that are annotated (visibility above 0), of exp(-d^2 / (2 area (2 sigma)^2)), d being
    the distance.  Of a truth with none annotated all count, and d is how far each is outside of its box (xywh,
    ``boxes`` (T, 4)) made three times as wide and high.  ``areas`` (T,) in pixels, to which 2^-52 is added as COCO's
    program does; ``sigmas`` (K,).  One rounding per operation, in the order of that program.
    """
    out = np.zeros((len(found), len(truths)))
    x, y = found[:, :, 0], found[:, :, 1]  # (D, K)
    spread = (np.asarray(sigmas, np.float64) * 2) ** 2
    for j, (truth, (left, top, w, h), area) in enumerate(zip(truths, boxes, areas, strict=True)):
        seen = truth[:, 2] > 0
        if seen.any():
            dx, dy = x - truth[:, 0], y - truth[:, 1]
        else:
            dx = np.maximum(0, (left - w) - x) + np.maximum(0, x - (left + w * 2))
            dy = np.maximum(0, (top - h) - y) + np.maximum(0, y - (top + h * 2))
        e = (dx**2 + dy**2) / spread / (area + np.spacing(1)) / 2
        if seen.any():
            e = np.ascontiguousarray(e[:, seen])
        out[:, j] = np.sum(np.exp(-e), axis=1) / e.shape[1]
    return out
