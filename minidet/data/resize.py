"""Resize a picture by one of the bilinear maps that detectors were trained with; they differ, so each has its name.

==============  ==================================================================================  ==================
name            output sample i reads input position                                                 result
==============  ==================================================================================  ==================
"half_pixel"    (i + 1/2) * in/out - 1/2, the two nearest samples: `cv2.resize` INTER_LINEAR         float, not rounded
"darknet"       i * (in-1)/(out-1), the two nearest samples, first along rows and then along         float, not rounded
                columns; the last output column and row copy the last of the input, also when that
                is the only one (Darknet's `resize_image`)
"pillow"        a triangle as wide as max(1, in/out) around (i + 1/2) * in/out - 1/2: antialiased    whole levels 0..255
                (Pillow's BILINEAR)
==============  ==================================================================================  ==================

OpenCV rounds to whole levels when its input is uint8, and computes that in 11-bit fixed point; "half_pixel" here keeps
the fractions, as Darknet does, and so is within one level (1/255) of `cv2.resize` of the uint8 picture and equal to
that of the float picture up to float32 rounding. [0, 1, 2, 3] to three samples: half_pixel 1/6 3/2 17/6, darknet 0 3/2
3, pillow .3 3/2 2.7 before rounding.
"""

from __future__ import annotations

import numpy as np

METHODS = ("half_pixel", "darknet", "pillow")


def resize_image(image: np.ndarray, size: tuple[int, int], *, method: str = "half_pixel") -> np.ndarray:
    """`image` (H, W, 3) uint8 as (h, w, 3) float32 levels 0..255, for `size` = (h, w).

    `method` is one of `METHODS`; see the table at the head of this module. A picture that has `size` already comes back
    with its own values, whichever method is named.
    """
    return np.ascontiguousarray(resize_planes(image, size, method=method).transpose(1, 2, 0))


def resize_planes(image: np.ndarray, size: tuple[int, int], *, method: str = "half_pixel") -> np.ndarray:
    """As ``resize_image``, the colours as planes: (3, h, w) float32, the form that networks take."""
    check_image(image)
    h, w = (int(n) for n in size)
    if h < 1 or w < 1:
        raise ValueError(f"a size of at least 1x1 was expected, found {h}x{w}")
    if method not in METHODS:
        raise ValueError(f"resize {method!r} is not known; expected one of {', '.join(METHODS)}")
    if image.shape[:2] == (h, w):
        return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)
    if method == "pillow":
        return np.ascontiguousarray(_pillow(image, h, w).transpose(2, 0, 1), np.float32)
    from minidet_kernels.resampling import resize

    x = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)  # (1, 3, H, W)
    if method == "darknet":
        x = x[:, :, -1:] if h == 1 else x
        x = x[:, :, :, -1:] if w == 1 else x
    coordinates = "align_corners" if method == "darknet" else "half_pixel"
    y = resize(np.ascontiguousarray(x), size=(h, w), mode="bilinear", coordinates=coordinates)
    return y[0]


def check_image(image: np.ndarray) -> None:
    """Raise unless `image` is an (H, W, 3) uint8 array with at least one pixel, as `load_image` makes them."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"an image was expected as a NumPy array (H, W, 3) uint8, found {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an image (H, W, 3) uint8 RGB was expected, found shape {image.shape} {image.dtype}")


def _pillow(image: np.ndarray, h: int, w: int) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((w, h), Image.Resampling.BILINEAR))
