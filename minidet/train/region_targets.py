"""What the mask and keypoint heads are compared with: truths as they look inside a region."""

from __future__ import annotations

from typing import Literal

import numpy as np
from minidet_kernels.masks import Runs, decode
from minidet_kernels.regions import roi_align

#: Dense masks that are held in memory at a time: 32 of a picture of a million pixels are 128 MB.
AT_ONCE = 32


def mask_targets(
    masks: Runs,
    boxes: np.ndarray,
    which: np.ndarray,
    *,
    size: int = 28,
    rule: Literal["torchvision", "detectron2"] = "torchvision",
) -> np.ndarray:
    """The truth ``which`` (P,) of ``masks`` in each of ``boxes`` (P, 4), xyxy in their pixels: (P, size, size).

    In the boxes' dtype, 0 to 1.  The mask is sampled by RoIAlign (He et al. 2017, section 3) with as many samples a bin
    as fit it, by name:

    * ``"torchvision"``: pixels are points at whole coordinates, and the means of the samples stay as they are.
    * ``"detectron2"``: pixels are squares around half coordinates, and what is at least a half becomes 1.

    Raises ``ValueError`` for an unknown rule and for an index without a mask.
    """
    if rule not in ("torchvision", "detectron2"):
        raise ValueError(f"mask_targets: rule is 'torchvision' or 'detectron2', not {rule!r}")
    if len(which) and not 0 <= which.min() <= which.max() < len(masks):
        raise ValueError(f"mask_targets: truths {which.min()} to {which.max()} of {len(masks)} masks")
    out = np.zeros((len(boxes), size, size), boxes.dtype)
    used = np.unique(which)
    for first in range(0, len(used), AT_ONCE):
        some = used[first : first + AT_ONCE]
        at = np.flatnonzero(np.isin(which, some))
        dense = np.ascontiguousarray(decode(masks.take(some)), boxes.dtype)[:, None]  # (n, 1, H, W)
        index = np.searchsorted(some, which[at]).astype(boxes.dtype)
        rois = np.concatenate([index[:, None], boxes[at]], axis=1)
        out[at] = roi_align(dense, rois, output_size=size, aligned=rule == "detectron2")[:, 0]
    return (out >= 0.5).astype(boxes.dtype) if rule == "detectron2" else out


def keypoint_targets(keypoints: np.ndarray, boxes: np.ndarray, *, size: int = 56) -> tuple[np.ndarray, np.ndarray]:
    """Where keypoints (P, K, 3), x, y, visibility, lie on a heatmap of size x size over each of ``boxes`` (P, 4).

    Places (P, K) int64, row by row, and whether they count (P, K) bool: those with a visibility above 0 that lie in the
    box, its right and lower edge with it.  A place is floor((x - x1) size / (x2 - x1)), on the right edge the last
    (torchvision); of what does not count, 0.  In a box without extent nothing counts.
    """
    places, counted = [], keypoints[..., 2] > 0
    for axis in (0, 1):
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        x = keypoints[..., axis]
        with np.errstate(all="ignore"):
            # Multiplied as torchvision does, so that a keypoint on the border of two places goes to the same.
            at = np.floor((x - low) * (size / (high - low)))
        at = np.where(x == high, size - 1, at)
        counted = counted & (high > low) & (at >= 0) & (at < size)
        places.append(np.where(counted, at, 0).astype(np.int64))
    return np.where(counted, places[1] * size + places[0], 0), counted
