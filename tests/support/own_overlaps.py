"""Our implementations of overlaps, losses on them, and the relatives of NMS, as targets of the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minidet.functions as F
from minidet import Tensor

TABLE: Mapping[str, tuple[str, int]] = {
    "giou": ("giou_matrix", 2),
    "diou": ("diou_matrix", 2),
    "ciou": ("ciou_matrix", 2),
    "diou_nms": ("diou_nms", 2),
    "fast_nms": ("fast_nms", 2),
    "soft_nms": ("soft_nms", 2),
    "matrix_nms": ("matrix_nms", 2),
}


def loss_and_gradient(pred: Any, target: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each pair, and the gradient of their sum for the predicted boxes."""
    boxes = Tensor(pred, requires_grad=True)
    loss = F.iou_loss(boxes, target, reduction="none", **options)
    loss.backward(np.ones_like(loss.data))
    assert boxes.grad is not None
    return loss.data, boxes.grad


def _loss(kind: str) -> Mapping[str, Callable[..., Any]]:
    return {"iou_loss": lambda pred, target: loss_and_gradient(pred, target, kind=kind)}


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    f"{kind}_loss": _loss(kind) for kind in ("giou", "diou", "ciou")
}
