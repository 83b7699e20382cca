"""The formats of boxes that a target may declare."""

from __future__ import annotations

import numpy as np

FORMATS = ("xyxy", "xywh", "cxcywh", "yxyx")


def boxes_in(rows: np.ndarray, form: str) -> np.ndarray:
    """Boxes (n, 4) of x1 y1 x2 y2 in one of ``FORMATS``, in their dtype."""
    x1, y1, x2, y2 = rows.T
    columns = {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "cxcywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    }[form]
    return np.stack(columns, axis=1)
