"""``letterbox_boxes(boxes, image, network)``: boxes on a letterboxed picture back on the picture itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector
from .placing import place


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """In float64."""
    boxes = np.asarray(inputs["boxes"], np.float64)
    (H, W), (h, w) = inputs["image"], inputs["network"]
    whole = np.array([W, H] * 2, np.float64)
    if dialect["inverse"] == "one_ratio" and dialect["placing"] != "stretch":
        r = min(h / H, w / W)
        moved = boxes - [(w - W * r) / 2, (h - H * r) / 2] * 2
        return np.clip(moved / r, 0, whole)
    at = place((H, W), (h, w), dialect["placing"])
    left, top = float(at.left), float(at.top)
    if dialect["inverse"] == "halves":
        left, top = (w - at.width) / 2, (h - at.height) / 2
    answer: np.ndarray = (boxes - [left, top] * 2) * whole / ([at.width, at.height] * 2)
    return answer


def units(inputs: Inputs) -> float:
    """Four roundings of coordinates of the network, as large as they are on the picture."""
    (H, W), (h, w) = inputs["image"], inputs["network"]
    most = float(np.abs(inputs["boxes"]).max(initial=0)) + max(h, w)
    return 8 * most * max(1.0, H / max(1, int(H * min(h / H, w / W))), W / max(1, int(W * min(h / H, w / W))))


def _call(boxes: list[list[float]], image: tuple[int, int], network: tuple[int, int]) -> dict[str, Any]:
    return {"boxes": np.array(boxes, np.float64), "image": image, "network": network}


BOTH = ("placing", "inverse")

LETTERBOX_BOXES = Operator(
    "letterbox_boxes",
    "letterbox_boxes(boxes, image, network): (n, 4) on the network's input, the picture's and the input's (height, "
    "width) to (n, 4) on the picture",
    reference,
    (
        Vector("3 x 5 on 8 x 8", _call([[1, 2, 7, 5], [0, 3, 4, 6]], (3, 5), (8, 8)), BOTH),
        Vector("2 x 5 on 8 x 8, an odd rest", _call([[1, 2, 7, 5], [0, 3, 4, 6]], (2, 5), (8, 8)), BOTH),
        Vector("5 x 3 on 8 x 9, some outside", _call([[-1, -2, 12, 9]], (5, 3), (8, 9)), BOTH),
        Vector("1 x 11 on 3 x 13", _call([[1, 1, 12, 2]], (1, 11), (3, 13)), BOTH),
    ),
    boxes=("boxes",),
    units=units,
)
