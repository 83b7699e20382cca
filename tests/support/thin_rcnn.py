"""The small Mask R-CNN, as thin as it gets, with keypoints, and so that it finds things without being trained."""

from __future__ import annotations

import numpy as np

from minidet.models import build
from minidet.models.rcnn.model import RCNN


def thin_rcnn(most: int) -> RCNN:
    """Three classes, at most ``most`` detections from score 0.3 on, its scores spread by random weights."""
    model = build(
        "mask-rcnn-r18-fpn-small", classes=3, width=1 / 16, keypoints=2, size=(64, 96), most=most, score=0.3, rng=0
    ).eval()
    rng = np.random.default_rng(0)
    for part, std in ((model.rpn.head.cls_logits, 0.5), (model.roi_heads.box_predictor.cls_score, 0.5)):
        part.weight.data[...] = rng.normal(0, std, part.weight.shape)
    return model
