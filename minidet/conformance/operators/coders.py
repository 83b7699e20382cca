"""Coders, anchors, priors, matchers and levels, in one tuple."""

from __future__ import annotations

from .anchors import ANCHORS
from .fpn_level import FPN_LEVEL
from .match import MATCH
from .rcnn_decode import RCNN_DECODE
from .rcnn_encode import RCNN_ENCODE
from .ssd_decode import SSD_DECODE
from .ssd_encode import SSD_ENCODE
from .ssd_match import SSD_MATCH
from .ssd_priors import SSD_PRIORS
from .yolo_decode import YOLO_DECODE

CODERS = (
    SSD_ENCODE,
    SSD_DECODE,
    RCNN_ENCODE,
    RCNN_DECODE,
    YOLO_DECODE,
    ANCHORS,
    SSD_PRIORS,
    MATCH,
    SSD_MATCH,
    FPN_LEVEL,
)
