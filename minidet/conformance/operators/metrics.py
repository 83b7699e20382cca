"""The operators of evaluation: average precision, runs of masks, and outlines as masks."""

from __future__ import annotations

from .coco_ap import COCO_AP
from .coco_mask_ap import COCO_MASK_AP
from .operator import Operator
from .polygon_mask import POLYGON_MASK
from .rle import RLE
from .voc_ap import VOC_AP

METRICS: tuple[Operator, ...] = (VOC_AP, COCO_AP, COCO_MASK_AP, RLE, POLYGON_MASK)
