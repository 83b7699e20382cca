"""From an R-CNN and an image to `Detections`, with masks and keypoints where it has heads for them.

Such a network takes images of any size: it resizes them itself, and is not told how to place them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidet.detections import Detections
from minidet.metrics.found_regions import mask_runs


def detect_regions(
    model: Any,
    image: np.ndarray,
    *,
    score: float,
    nms: float,
    names: Sequence[str],
    path: str | None = None,
    plan: Any = None,
) -> Detections:
    """The objects that ``model``, an `RCNN` in inference mode, finds in ``image`` (H, W, 3) uint8 RGB, best first.

    ``score`` and ``nms`` take the place of the model's own.  Boxes are clipped to the image, and one of which nothing
    remains is left out; a pixel is a mask's by the model's ``paste_rule`` (`minidet.boxes.paste`).
    """
    from minidet.autograd import no_grad

    x = np.ascontiguousarray(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    with no_grad():
        batch, (found,) = (model if plan is None else plan).found([model.to_device(x)], score=score, threshold=nms)
    (found,) = model.transform.to_images([found], batch)
    return as_detections(found, names, (image.shape[0], image.shape[1]), path=path, rule=model.paste_rule)


def as_detections(
    found: Any, names: Sequence[str], size: tuple[int, int], *, path: str | None = None, rule: str = "torchvision"
) -> Detections:
    """What was found, `Instances` in pixels of an image of ``size`` (height, width) with masks over their boxes."""
    boxes = np.clip(found.boxes.astype(np.float64), 0, [size[1], size[0]] * 2)
    some = np.flatnonzero(((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1))
    masks = None
    if found.masks is not None:
        masks = mask_runs(found.masks[some], found.boxes[some], size, rule=rule)
    points = None if found.keypoints is None else found.keypoints[some, :, :2]
    return Detections(boxes[some], found.scores[some], found.labels[some], names, size, path, masks, points)
