"""The operators of suppression beyond NMS of one and of several classes."""

from __future__ import annotations

from .diou_nms import DIOU_NMS
from .fast_nms import FAST_NMS
from .matrix_nms import MATRIX_NMS
from .operator import Operator
from .soft_nms import SOFT_NMS

SUPPRESSIONS: tuple[Operator, ...] = (DIOU_NMS, FAST_NMS, SOFT_NMS, MATRIX_NMS)
