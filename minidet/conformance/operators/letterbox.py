"""``letterbox(image, size)``: a picture on a network's input, its shape kept, the rest filled."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import Answer, Arrays, Dialect, Inputs, Operator, Vector
from .placing import place
from .resize import resized

FILLS = {"half": 0.5, "114": 114 / 255}
#: How a picture is resized, and how often its values are rounded to whole levels.
INTERPOLATIONS = {
    "half_pixel": ("bilinear", 0),
    "darknet": ("bilinear_darknet", 0),
    "half_pixel_levels": ("bilinear", 1),
    "pillow": ("bilinear_antialias", 2),
}


def levels(image: np.ndarray, size: tuple[int, int], interpolation: str, *, whole: bool = True) -> np.ndarray:
    """(H, W, 3) as (3, height, width) levels from 0 to 255, float64; not ``whole`` without rounding."""
    sampling, rounded = INTERPOLATIONS[interpolation]
    rounded = rounded if whole else 0
    planes = np.asarray(image.transpose(2, 0, 1), np.float64)
    if rounded == 2:  # the rows first, each rounded, then the columns
        planes = np.floor(resized(planes, (planes.shape[1], size[1]), sampling) + 0.5)
    planes = resized(planes, size, sampling)
    return np.floor(planes + 0.5) if rounded else planes


def painted(inputs: Inputs, dialect: Dialect, *, whole: bool = True) -> np.ndarray:
    """The picture at its place on the fill."""
    image, size = inputs["image"], tuple(inputs["size"])
    at = place(image.shape[:2], size, dialect["placing"])
    canvas = np.full((3, *size), FILLS[dialect["fill"]])
    inner = levels(image, (at.height, at.width), dialect["interpolation"], whole=whole) / 255
    canvas[:, at.top : at.top + at.height, at.left : at.left + at.width] = inner
    return canvas


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """In float64."""
    return painted(inputs, dialect)


def units(inputs: Inputs) -> float:
    """As of ``resize``, of values up to 1."""
    return 4.0 * (sum(inputs["image"].shape[:2]) + sum(inputs["size"]))


def legal(inputs: Inputs, dialect: Dialect, found: Arrays) -> str:
    """Levels may be rounded otherwise, "undecided": OpenCV's of bytes by 0.8 of one, Pillow's twice."""
    rounded = INTERPOLATIONS[dialect["interpolation"]][1]
    if not rounded or not isinstance(found, np.ndarray):
        return ""
    smooth = painted(inputs, dialect, whole=False)
    if found.shape != smooth.shape:
        return ""
    off = np.abs(found - smooth) * 255
    whole = np.abs(found * 255 - np.round(found * 255)) < 1e-3
    return "undecided" if bool(np.all((off < 1e-3) | (whole & (off < (0.8 if rounded == 1 else 1.01))))) else ""


def picture(*rows: list[float]) -> np.ndarray:
    """A picture (H, W, 3) whose colours are a row's numbers, plus 0, 1 and 2 times 20."""
    values = np.array(rows)[..., None] + 20 * np.arange(3)
    return values.astype(np.uint8)


def _call(image: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    return {"image": image, "size": size}


GREY = np.full((3, 5, 3), 200, np.uint8)
PLACED = ("placing", "fill")

LETTERBOX = Operator(
    "letterbox",
    "letterbox(image, size): (H, W, 3) uint8 and (height, width) to (3, height, width), from 0 to 1",
    reference,
    (
        Vector("3 x 5 of one grey on 8 x 8", _call(GREY, (8, 8)), PLACED),
        Vector("5 x 3 of one grey on 8 x 9", _call(GREY.swapaxes(0, 1).copy(), (8, 9)), PLACED),
        Vector("1 x 11 of one grey on 3 x 13", _call(np.full((1, 11, 3), 200, np.uint8), (3, 13)), PLACED),
        Vector(
            "4 x 4 on 2 x 2",
            _call(picture(*[[0.0, 16, 32, 192]] * 4), (2, 2)),
            ("interpolation",),
        ),
        Vector("3 x 3 on 4 x 4", _call(picture(*[[0.0, 10, 0]] * 3), (4, 4)), ("interpolation",)),
    ),
    units=units,
    legal=legal,
)
