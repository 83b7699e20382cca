"""Images of any sizes as one batch, and what was found in the batch as it is in the images.

As torchvision's ``GeneralizedRCNNTransform``: normalise, resize so that the shorter side is ``shortest`` pixels unless
the longer one became more than ``longest``, sides rounded *down* (Detectron rounds to the nearest), bilinearly between
the middles of pixels and without antialiasing; then put into the upper left of zeros whose sides are multiples of 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace
from minidet_kernels.resampling import resize

from ...autograd import Tensor
from ...boxes.paste import paste
from .instances import Instances

Size = tuple[int, int]

#: ImageNet's mean and deviation of red, green and blue, of 1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Batch:
    """Images as the network takes them: ``x`` (N, 3, H, W), padded, the ``sizes`` (h, w) in it, and ``originals``."""

    x: Tensor
    sizes: tuple[Size, ...]
    originals: tuple[Size, ...]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def padded(self) -> Size:
        """(H, W)."""
        return self.x.shape[2], self.x.shape[3]

    def to_input(self, i: int, boxes: np.ndarray) -> np.ndarray:
        """Boxes (..., 4), or points (..., 2), of image ``i`` in pixels of ``x``."""
        return boxes * _ratios(self.sizes[i], self.originals[i], boxes)

    def to_image(self, i: int, boxes: np.ndarray) -> np.ndarray:
        """Boxes (..., 4), or points (..., 2), of pixels of ``x`` in those of image ``i``."""
        return boxes * _ratios(self.originals[i], self.sizes[i], boxes)


def _ratios(new: Size, old: Size, like: np.ndarray) -> np.ndarray:
    real = like.dtype.type if like.dtype.kind == "f" else np.float64  # whole pixels are scaled as well
    height, width = (real(n) / real(o) for n, o in zip(new, old, strict=True))
    return np.array([width, height] * (like.shape[-1] // 2), real)


@dataclass(frozen=True)
class Transform:
    """``shortest`` and ``longest`` in pixels, ``mean`` and ``deviation`` of 1, sides multiples of ``stride``."""

    shortest: int = 800
    longest: int = 1333
    mean: Sequence[float] = MEAN
    deviation: Sequence[float] = DEVIATION
    stride: int = 32

    def size(self, original: Size) -> Size:
        """What an image of (height, width) becomes, without padding; at least one pixel each way."""
        scale = min(self.shortest / min(original), self.longest / max(original))
        h, w = (max(math.floor(float(side) * scale), 1) for side in original)
        return h, w

    def one(self, image: Array) -> Array:
        """An image (3, h, w), RGB 0 to 1, normalised and resized."""
        if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape or image.dtype.kind != "f":
            raise ValueError(
                f"an image {image.shape} of {image.dtype}; (3, height, width) float32 or float64, 0 to 1, is expected"
            )
        xp = namespace(image)
        mean, deviation = (xp.asarray(v, dtype=image.dtype)[:, None, None] for v in (self.mean, self.deviation))
        made = (image - mean) / deviation
        size = self.size(image.shape[1:])
        return resize(made[None], size=size, mode="bilinear", coordinates="half_pixel")[0]

    def __call__(self, images: Sequence[Any]) -> Batch:
        """The batch of some images (3, h, w), arrays or tensors.  Raises ``ValueError`` for other shapes and none."""
        arrays = [image.data if isinstance(image, Tensor) else image for image in images]
        if not arrays:
            raise ValueError("no images; a list of at least one array (3, height, width) is expected")
        made = [self.one(image) for image in arrays]
        h, w = (-(-max(one.shape[axis] for one in made) // self.stride) * self.stride for axis in (1, 2))
        x = namespace(*made).zeros((len(made), 3, h, w), made[0].dtype)
        for place, one in zip(x, made, strict=True):
            place[:, : one.shape[1], : one.shape[2]] = one
        sizes, originals = ([one.shape[1:] for one in some] for some in (made, arrays))
        return Batch(Tensor(x), tuple(sizes), tuple(originals))

    def postprocess(self, found: Sequence[Instances], batch: Batch, *, rule: str = "torchvision") -> list[Instances]:
        """What was found in ``batch`` in pixels of its images, masks pasted by ``rule`` (`minidet.boxes.paste`)."""
        made = []
        for i, one in enumerate(self.to_images(found, batch)):
            masks = None if one.masks is None else paste(one.masks, one.boxes, batch.originals[i], rule=rule)
            made.append(replace(one, masks=masks))
        return made

    def to_images(self, found: Sequence[Instances], batch: Batch) -> list[Instances]:
        """What was found in ``batch`` in pixels of its images, masks as they are."""
        made = []
        for i, one in enumerate(found):
            points = one.keypoints
            if points is not None:
                points = np.concatenate([batch.to_image(i, points[..., :2]), points[..., 2:]], axis=-1)
            made.append(replace(one, boxes=batch.to_image(i, one.boxes), keypoints=points))
        return made
