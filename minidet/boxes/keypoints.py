"""From heatmaps over a box to points of the image (He et al., "Mask R-CNN", 2017, section 5).

A keypoint head gives, for each box and each kind of point, M x M logits of where in the box it is.  As in Detectron and
torchvision, each map is enlarged to the box, one element a pixel (rounded up), by bicubic interpolation, and the point
is the middle of the greatest element; the first, row by row, of equal ones.
"""

from __future__ import annotations

import numpy as np

#: Of the cubic: torch's and OpenCV's, where Pillow takes -0.5 (Keys 1981).
A = -0.75


def cubic(n: int, m: int) -> np.ndarray:
    """The matrix (m, n) float64 that resizes n elements to m: cubic convolution, middles of pixels, borders repeated.

    Keys, "Cubic Convolution Interpolation" (1981), equation 4 with the free parameter ``A``.
    """
    at = (np.arange(m) + 0.5) * (n / m) - 0.5
    floor = np.floor(at)
    made = np.zeros((m, n))
    for tap in range(-1, 3):
        t = np.abs(at - (floor + tap))
        near = ((A + 2) * t - (A + 3)) * t * t + 1
        far = ((A * t - 5 * A) * t + 8 * A) * t - 4 * A
        where = np.clip(floor + tap, 0, n - 1).astype(np.int64)
        np.add.at(made, (np.arange(m), where), np.where(t <= 1, near, np.where(t < 2, far, 0)))
    return made


def keypoints_of(heatmaps: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (K, P, 3) x, y, 1 in pixels, and the logits there (K, P), of ``heatmaps`` (K, P, M, M) over ``boxes``.

    ``boxes`` (K, 4) are xyxy; a side of less than a pixel counts as one.  In the dtype of the heatmaps.  Raises
    ``ValueError`` for shapes that do not fit and boxes that are not finite.
    """
    if heatmaps.ndim != 4 or boxes.shape != (len(heatmaps), 4) or 0 in heatmaps.shape[2:]:
        raise ValueError(
            f"keypoints_of: heatmaps {heatmaps.shape} and boxes {boxes.shape}; (K, P, M, M) and (K, 4) are expected"
        )
    if not np.isfinite(boxes).all():
        raise ValueError("keypoints_of: every number of the boxes must be finite")
    k, p, m, n = heatmaps.shape
    points, scores = np.ones((k, p, 3), heatmaps.dtype), np.zeros((k, p), heatmaps.dtype)
    for i, (maps, box) in enumerate(zip(heatmaps, boxes, strict=True)):
        w, h = (max(float(side), 1.0) for side in box[2:] - box[:2])
        rows, columns = int(np.ceil(h)), int(np.ceil(w))
        down, across = cubic(m, rows), cubic(n, columns).T
        for j, heat in enumerate(maps):  # one at a time: a box may be as large as the image
            large = down @ heat.astype(np.float64) @ across  # (rows, columns)
            row, column = divmod(int(large.argmax()), columns)
            scores[i, j] = large[row, column]
            points[i, j, 0] = (column + 0.5) * (w / columns) + box[0]
            points[i, j, 1] = (row + 0.5) * (h / rows) + box[1]
    return points, scores
