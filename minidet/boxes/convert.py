"""The three ways to write a box, and clipping.

``xyxy`` is two corners (x1, y1, x2, y2), ``xywh`` the corner of least x and y with width and height (COCO, OpenCV),
``cxcywh`` the centre with width and height (Darknet).  Sides are ``x2 - x1``.  Every function takes an array (..., 4)
of float32 or float64, NumPy or CuPy, and returns a new one of the same dtype and unit; integers are refused, since
halving and subtracting them rounds or wraps.  Inverted boxes are converted as they are: a side may be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minidet_kernels.arrays import Array, is_array, namespace

Columns = tuple[Array, Array, Array, Array]


def _columns(boxes: Array, where: str) -> Columns:
    if not is_array(boxes):
        raise TypeError(f"{where}: boxes must be a NumPy or CuPy array, not {type(boxes).__name__}")
    if boxes.dtype.char not in "fd":
        raise TypeError(f"{where}: boxes must be float32 or float64, not {boxes.dtype}; use boxes.astype(np.float32)")
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(f"{where}: boxes must have shape (..., 4), not {boxes.shape}")
    a, b, c, d = (boxes[..., i] for i in range(4))
    return a, b, c, d


def _map(boxes: Array, where: str, formula: Callable[[Array, Array, Array, Array], Columns]) -> Array:
    return namespace(boxes).stack(formula(*_columns(boxes, where)), axis=-1)


def xyxy_to_xywh(boxes: Array) -> Array:
    """(x1, y1, x2, y2) to (x1, y1, width, height)."""
    return _map(boxes, "xyxy_to_xywh", lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1))


def xywh_to_xyxy(boxes: Array) -> Array:
    """(x1, y1, width, height) to (x1, y1, x2, y2)."""
    return _map(boxes, "xywh_to_xyxy", lambda x, y, w, h: (x, y, x + w, y + h))


def xyxy_to_cxcywh(boxes: Array) -> Array:
    """(x1, y1, x2, y2) to (centre x, centre y, width, height)."""
    return _map(boxes, "xyxy_to_cxcywh", lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))


def cxcywh_to_xyxy(boxes: Array) -> Array:
    """(centre x, centre y, width, height) to (x1, y1, x2, y2)."""
    return _map(boxes, "cxcywh_to_xyxy", lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2))


def xywh_to_cxcywh(boxes: Array) -> Array:
    """(x1, y1, width, height) to (centre x, centre y, width, height)."""
    return _map(boxes, "xywh_to_cxcywh", lambda x, y, w, h: (x + w / 2, y + h / 2, w, h))


def cxcywh_to_xywh(boxes: Array) -> Array:
    """(centre x, centre y, width, height) to (x1, y1, width, height)."""
    return _map(boxes, "cxcywh_to_xywh", lambda x, y, w, h: (x - w / 2, y - h / 2, w, h))


def clip(boxes: Array, size: Sequence[int]) -> Array:
    """Boxes ``xyxy`` cut to an image of ``size`` (height, width): x to 0..width and y to 0..height.

    A box outside the image becomes an empty one on its border.  NaN stays NaN.
    """
    height, width = size
    if height < 0 or width < 0:
        raise ValueError(f"clip: size is (height, width) of the image, not {tuple(size)}")
    xp = namespace(boxes)
    x1, y1, x2, y2 = _columns(boxes, "clip")
    inside = (xp.clip(x1, 0, width), xp.clip(y1, 0, height), xp.clip(x2, 0, width), xp.clip(y2, 0, height))
    return xp.stack(inside, axis=-1)
