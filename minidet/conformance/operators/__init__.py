"""The operators that the suite knows, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .batched_nms import BATCHED_NMS
from .coders import CODERS
from .iou import IOU
from .layers import LAYERS
from .max_pool2d import MAX_POOL2D
from .metrics import METRICS
from .nms import NMS
from .operator import REFUSED, Answer, Arrays, Dialect, Inputs, Operator, Refused, Units, Vector
from .overlaps import OVERLAPS
from .resize import RESIZE
from .roi_align import ROI_ALIGN
from .suppressions import SUPPRESSIONS

OPERATORS: Mapping[str, Operator] = MappingProxyType({
    one.name: one
    for one in (
        IOU, NMS, BATCHED_NMS, ROI_ALIGN, MAX_POOL2D, RESIZE,
        *CODERS, *LAYERS, *METRICS, *OVERLAPS, *SUPPRESSIONS,
    )
})  # fmt: skip

__all__ = ["OPERATORS", "REFUSED", "Answer", "Arrays", "Dialect", "Inputs", "Operator", "Refused", "Units", "Vector"]
