"""torchvision's losses on boxes and OpenCV's Soft-NMS, called as the suite calls."""

from __future__ import annotations

from typing import Any

import numpy as np


def loss(pred: Any, target: Any, *, kind: str) -> tuple[Any, Any]:
    """The losses and the gradient of their sum for the predicted boxes, by torch's autograd."""
    from torchvision import ops

    boxes = pred.clone().requires_grad_()
    value = getattr(ops, f"{kind}_box_iou_loss")(boxes, target, reduction="none")
    value.sum().backward()
    return value, boxes.grad


def with_clamp(pred: Any, target: Any) -> tuple[Any, Any]:
    """GIoU of torchvision's matrix, which clamps: one minus its diagonal."""
    from torchvision import ops

    boxes = pred.clone().requires_grad_()
    value = 1 - ops.generalized_box_iou(boxes, target).diagonal()
    value.sum().backward()
    return value, boxes.grad


def soft_nms(
    boxes: Any, scores: Any, threshold: float, sigma: float, floor: float, *, linear: bool = False
) -> tuple[Any, Any]:
    """Boxes are a corner and sides, of whole numbers: it takes no others."""
    import cv2

    whole = np.rint(np.array(boxes, np.float64).reshape(-1, 4)).astype(np.int64).tolist()
    if whole != boxes:
        raise ValueError("cv2.Rect holds whole numbers")

    method = cv2.dnn.SoftNMSMethod_SOFTNMS_LINEAR if linear else cv2.dnn.SoftNMSMethod_SOFTNMS_GAUSSIAN
    lowered, kept = cv2.dnn.softNMSBoxes(whole, scores, floor, threshold, sigma=sigma, method=method)
    return np.array(kept, np.int64).reshape(-1), np.array(lowered, np.float32).reshape(-1)
