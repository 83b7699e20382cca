"""The features of boxes: RoIAlign of each on the level of the pyramid that fits its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from minidet_kernels.arrays import namespace

from ... import functions as F
from ...autograd import Tensor
from ...boxes.levels import fpn_level

#: Of P2 to P5.
STRIDES = (4, 8, 16, 32)


def rois_of(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Boxes (K_i, 4) of each image as regions (K, 5): the image's number, then the corners."""
    numbers = [np.full((len(one), 1), i, one.dtype) for i, one in enumerate(boxes)]
    return np.concatenate([np.concatenate(pair, axis=1) for pair in zip(numbers, boxes, strict=True)])


def pool(
    features: Sequence[Tensor],
    boxes: Sequence[np.ndarray],
    size: int,
    *,
    strides: Sequence[int] = STRIDES,
    sampling_ratio: int = 2,
    aligned: bool = False,
    rule: str = "torchvision",
    canonical_size: float = 224.0,
) -> Tensor:
    """The features (K, C, size, size) of boxes xyxy in pixels of the input, those of the first image first.

    Of ``features`` those with ``strides`` are used.  ``rule`` and ``canonical_size`` decide the level
    (`minidet.boxes.levels`), ``sampling_ratio`` and ``aligned`` are of RoIAlign (`minidet_kernels.regions`).
    """
    maps = features[: len(strides)]
    rois = rois_of(boxes)
    xp = namespace(maps[0].data)
    level = levels_of(rois[:, 1:], len(strides), rule=rule, canonical_size=canonical_size)
    parts, order = [], []
    for number, (x, stride) in enumerate(zip(maps, strides, strict=True)):
        members = np.flatnonzero(level == number)
        if len(members) or not len(rois):
            some = xp.asarray(rois[members].astype(x.dtype))
            parts.append(
                F.roi_align(
                    x, some, output_size=size, spatial_scale=1 / stride, sampling_ratio=sampling_ratio, aligned=aligned
                )
            )
            order.append(members)
    if len(parts) == 1 or not len(rois):
        return parts[0]
    return F.getitem(F.concatenate(*parts), index=xp.asarray(np.argsort(np.concatenate(order))))


def levels_of(
    boxes: np.ndarray, count: int = 4, *, rule: str = "torchvision", canonical_size: float = 224.0
) -> np.ndarray:
    """The level (K,) of each box (K, 4), from 0 for P2 to ``count`` - 1."""
    return fpn_level(boxes, lowest=2, highest=1 + count, rule=rule, canonical_size=canonical_size) - 2
