"""What an R-CNN finds in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Instances:
    """K objects, best first: ``boxes`` (K, 4) xyxy in pixels, ``scores`` (K,), ``labels`` (K,) of things from 0.

    ``proposal`` (K,): which of the proposals each was.  With a mask head, ``masks`` are probabilities, (K, 28, 28) over
    the box, or (K, height, width) once they are pasted.  With a keypoint head, ``keypoints`` (K, P, 3) are x, y, 1 in
    pixels and ``keypoint_scores`` (K, P) logits.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    proposal: np.ndarray
    masks: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)
