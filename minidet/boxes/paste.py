"""Masks of boxes put where they belong in the image, by the rule of each program.

A mask head says of each box which part of it the object is: M x M probabilities (28 x 28) over the box, whatever its
size.  In the image they are resized to the box (He et al., "Mask R-CNN", 2017, section 3.1).  Conventions, by name:

* ``"torchvision"`` (and Detectron, maskrcnn-benchmark): a border of one zero is put around the mask, and the box made
  as much larger around its middle; its corners are cut to whole pixels; the mask is resized, bilinearly, to x2 - x1 + 1
  by y2 - y1 + 1 pixels, at least one, and copied there.
* ``"detectron2"``: each pixel of the image asks the mask at its own middle, bilinearly, zero outside; the box is as it
  is.  What is compared with a half is then exact to a part of a pixel.

Both give probabilities, which become a mask by ``>= 0.5`` (detectron2) or ``> 0.5`` (torchvision's examples).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from minidet_kernels.resampling import resize

RULES = ("torchvision", "detectron2")

#: Rows and columns of the pixels of the image that a mask covers, and its values there.
Patch = tuple[slice, slice, np.ndarray]
NOTHING = slice(0, 0)


def patches(
    masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, rule: str = "torchvision"
) -> Iterator[Patch]:
    """For each of the ``masks`` (K, M, M) the pixels of an image of ``size`` (height, width) it covers, and its values.

    ``boxes`` (K, 4) are xyxy in pixels of the image; one that lies outside covers nothing, one without extent at most
    a pixel ("torchvision") or nothing ("detectron2").  Everything outside a patch is zero.

    Raises ``ValueError`` for an unknown rule, shapes that do not fit and boxes that are not finite.
    """
    if rule not in RULES:
        raise ValueError(f"paste: rule is one of {', '.join(map(repr, RULES))}, not {rule!r}")
    if masks.ndim != 3 or boxes.shape != (len(masks), 4) or 0 in masks.shape[1:]:
        raise ValueError(f"paste: masks {masks.shape} and boxes {boxes.shape}; (K, M, M) and (K, 4) are expected")
    if not np.isfinite(boxes).all():
        raise ValueError("paste: every number of the boxes must be finite")
    one = _resized if rule == "torchvision" else _asked
    return (one(mask, box, size) for mask, box in zip(masks, boxes, strict=True))


def paste(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, rule: str = "torchvision") -> np.ndarray:
    """``patches`` in whole images: (K, height, width) in the dtype of ``masks``, 0 to 1."""
    whole = np.zeros((len(masks), *size), masks.dtype)
    for image, (rows, columns, values) in zip(whole, patches(masks, boxes, size, rule=rule), strict=True):
        image[rows, columns] = values
    return whole


def _resized(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> Patch:
    """torchvision's: the mask with its border, resized to the whole pixels of the larger box."""
    padded = np.pad(mask, 1)
    centre, half = (box[2:] + box[:2]) * box.dtype.type(0.5), (box[2:] - box[:2]) * box.dtype.type(0.5)
    half = half * np.array([n / (n - 2) for n in padded.shape[::-1]], box.dtype)
    x1, y1, x2, y2 = (int(edge) for edge in (*(centre - half), *(centre + half)))  # cut, not rounded
    h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    top, bottom, left, right = max(y1, 0), min(y2 + 1, size[0]), max(x1, 0), min(x2 + 1, size[1])
    if top >= bottom or left >= right:
        return NOTHING, NOTHING, np.zeros((0, 0), mask.dtype)
    big = resize(padded[None, None], size=(h, w), mode="bilinear", coordinates="half_pixel")[0, 0]
    return slice(top, bottom), slice(left, right), big[top - y1 : bottom - y1, left - x1 : right - x1]


def _asked(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> Patch:
    """detectron2's: two matrices of hat functions, of the pixels' rows and columns."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    if x2 <= x1 or y2 <= y1:
        return NOTHING, NOTHING, np.zeros((0, 0), mask.dtype)
    rows, r = _hats(mask.shape[0], y1, y2, size[0])
    columns, c = _hats(mask.shape[1], x1, x2, size[1])
    return rows, columns, (r @ mask.astype(np.float64) @ c.T).astype(mask.dtype)


def _hats(m: int, low: float, high: float, n: int) -> tuple[slice, np.ndarray]:
    """Which of ``n`` pixels see any of ``m`` cells between ``low`` and ``high``, and how much of each: (pixels, m)."""
    cell = (high - low) / m
    first, last = (min(max(int(edge), 0), n) for edge in (np.floor(low - cell), np.ceil(high + cell)))
    at = (np.arange(first, last) + 0.5 - low) / cell - 0.5  # in cells, from the middle of the first
    return slice(first, last), np.maximum(0, 1 - np.abs(at[:, None] - np.arange(m)))
