"""The operators of overlap beyond IoU: matrices and losses."""

from __future__ import annotations

from .box_losses import BOX_LOSSES
from .ciou import CIOU
from .diou import DIOU
from .giou import GIOU
from .operator import Operator

OVERLAPS: tuple[Operator, ...] = (GIOU, DIOU, CIOU, *BOX_LOSSES)
