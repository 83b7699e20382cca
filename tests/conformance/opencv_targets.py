"""OpenCV's and Pillow's functions, called as the suite calls."""

from __future__ import annotations

from typing import Any

import numpy as np


def nms(boxes: Any, scores: Any, threshold: float) -> Any:
    """Boxes are a corner and sides; a score threshold of 0 leaves all scores of ours in."""
    import cv2

    return np.array(cv2.dnn.NMSBoxes(boxes, scores, 0.0, threshold), np.int64).reshape(-1)


def resize(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Linear, of one image of one channel."""
    import cv2

    return cv2.resize(x[0, 0], size[::-1], interpolation=cv2.INTER_LINEAR).reshape(1, 1, *size)


def pillow(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, of one image of floats."""
    from PIL import Image

    image = Image.fromarray(x[0, 0].astype(np.float32), mode="F")
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))[None, None]
