"""Place a picture of any size on a network's input, and bring boxes back from there.

Stretch resizes each axis by itself. Letterbox keeps the aspect ratio and fills what remains; implementations round
differently, so the rounding has a name:

"darknet"   the smaller of w/W and h/H decides; that axis is filled, the other gets the integer part of W*h/H or H*w/W;
            the offsets are (w - width) // 2 and (h - height) // 2
"yolov5"    r = min(h/H, w/W); both sides are round(side * r), half to even; with d half of what remains, the offset
            before is round(d - 0.1), so that the odd pixel goes after

A side that comes to 0 (a picture of 1 x 1000 on 416 x 416 in Darknet's rounding) becomes 1, so every picture is placed.
The fill is 0.5 in Darknet and 114/255 in yolov5.

The way back: `inverse="exact"` undoes what was done to the pixels. `inverse="darknet"` is what Darknet computes: it
takes half of the remainder without rounding it down, although the picture was shifted by the rounded half, and so its
boxes are half a network pixel too small in that coordinate when the remainder is odd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .resize import check_image, resize_planes

ROUNDINGS = ("darknet", "yolov5")
INVERSES = ("exact", "darknet")


@dataclass(frozen=True)
class Placement:
    """Where a picture lies on a network's input, all in pixels.

    `image` and `network` are (height, width). The picture covers `height` rows from `top` and `width` columns from
    `left`. Boxes are (..., 4) arrays x1 y1 x2 y2 with pixel edges as coordinates: a whole picture is (0, 0, W, H).
    """

    image: tuple[int, int]
    network: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    inverse: str = "exact"

    def to_network(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes in image pixels as boxes in network-input pixels, float64."""
        H, W = self.image
        return _boxes(boxes) * ([self.width, self.height] * 2) / ([W, H] * 2) + ([self.left, self.top] * 2)

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes in network-input pixels as boxes in image pixels, float64, not clipped."""
        H, W = self.image
        left, top = float(self.left), float(self.top)
        if self.inverse == "darknet":
            left, top = (self.network[1] - self.width) / 2, (self.network[0] - self.height) / 2
        # Multiplied before divided: the edges of the placed picture come back as exactly 0, W and H.
        return (_boxes(boxes) - [left, top] * 2) * ([W, H] * 2) / ([self.width, self.height] * 2)


def stretch(image: np.ndarray, size: tuple[int, int], *, resize: str = "half_pixel") -> tuple[np.ndarray, Placement]:
    """`image` (H, W, 3) uint8 resized to `size` = (h, w) whatever its shape: ((3, h, w) float32 0..1, Placement).

    AlexeyAB's Darknet does this by default, and OpenCV's `blobFromImage`. `resize` names the method (`resize.METHODS`).
    """
    check_image(image)
    h, w = _size(size)
    placement = Placement(image.shape[:2], (h, w), 0, 0, h, w)
    return resize_planes(image, (h, w), method=resize) / np.float32(255.0), placement


def letterbox(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    resize: str = "half_pixel",
    fill: float = 0.5,
    rounding: str = "darknet",
    inverse: str = "exact",
) -> tuple[np.ndarray, Placement]:
    """`image` (H, W, 3) uint8, its shape kept, centred on `size` = (h, w): ((3, h, w) float32 0..1, Placement).

    `fill` is the value 0..1 around it; `rounding`, `inverse` and `resize` name the conventions described at the head of
    this module and of `resize`.
    """
    check_image(image)
    size = _size(size)
    if inverse not in INVERSES:
        raise ValueError(f"inverse {inverse!r} is not known; expected one of {', '.join(INVERSES)}")
    placement = place(image.shape[:2], size, rounding=rounding, inverse=inverse)
    canvas = np.full((3, *size), fill, np.float32)
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    levels = resize_planes(image, (placement.height, placement.width), method=resize)
    np.divide(levels, np.float32(255.0), out=canvas[:, rows, columns])
    return canvas, placement


def place(
    image: tuple[int, int], network: tuple[int, int], *, rounding: str = "darknet", inverse: str = "exact"
) -> Placement:
    """Where a letterboxed picture of (H, W) lies on a network input of (h, w)."""
    (H, W), (h, w) = image, network
    if rounding == "darknet":
        if w * H < h * W:
            width, height = w, max(1, H * w // W)
        else:
            width, height = max(1, W * h // H), h
        left, top = (w - width) // 2, (h - height) // 2
    elif rounding == "yolov5":
        r = min(h / H, w / W)
        width, height = max(1, round(W * r)), max(1, round(H * r))
        left, top = round((w - width) / 2 - 0.1), round((h - height) / 2 - 0.1)
    else:
        raise ValueError(f"rounding {rounding!r} is not known; expected one of {', '.join(ROUNDINGS)}")
    return Placement((H, W), (h, w), top, left, height, width, inverse)


def _size(size: tuple[int, int]) -> tuple[int, int]:
    h, w = (int(n) for n in size)
    if h < 1 or w < 1:
        raise ValueError(f"a network input of at least 1x1 was expected, found {h}x{w}")
    return h, w


def _boxes(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes (..., 4) x1 y1 x2 y2 were expected, found shape {boxes.shape}")
    return boxes
