"""Mirror a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..dataset import Objects
from ..sample import Draw, Sample
from .options import check_share
from .runs import gather


@dataclass(frozen=True)
class HorizontalFlip:
    """Left and right exchanged, with probability ``p``: x becomes W - x.

    ``pairs`` are the keypoints (0-based) that change their names, such as left and right eye; both are exchanged.
    Annotated areas stay, polygons are dropped.  Twice is the identity.
    """

    p: float = 0.5
    pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_share("p", self.p)
        check_pairs(self.pairs)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        if rng.random() >= self.p:
            return sample
        return flipped(sample, 0, self.pairs)


@dataclass(frozen=True)
class VerticalFlip:
    """Top and bottom exchanged, with probability ``p``: y becomes H - y.  ``pairs`` as in ``HorizontalFlip``."""

    p: float = 0.5
    pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_share("p", self.p)
        check_pairs(self.pairs)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        if rng.random() >= self.p:
            return sample
        return flipped(sample, 1, self.pairs)


def check_pairs(pairs: Sequence[Sequence[int]]) -> None:
    """Every one is two different whole numbers, and none is in two pairs."""
    names = [n for pair in pairs for n in pair]
    if any(len(pair) != 2 for pair in pairs) or len(set(names)) != len(names) or any(int(n) != n for n in names):
        raise ValueError(f"pairs must be of two keypoints each, none of them twice, found {pairs!r}")


def flipped(sample: Sample, axis: int, pairs: Sequence[tuple[int, int]] = ()) -> Sample:
    """``sample`` mirrored along x (``axis`` 0) or y (1)."""
    # Copied: what comes next reads rows one after the other, and a view would keep the picture before alive.  A channel
    # at a time is four times as fast as three bytes at a time.
    image = np.empty_like(sample.image)
    for channel in range(3):
        image[..., channel] = sample.image[:, ::-1, channel] if axis == 0 else sample.image[::-1, :, channel]
    return Sample(image, _objects(sample.objects, axis, sample.image.shape[:2], pairs))


def _objects(objects: Objects, axis: int, size: tuple[int, ...], pairs: Sequence[tuple[int, int]]) -> Objects:
    length = size[1 - axis]
    boxes = objects.boxes.copy()
    boxes[:, axis], boxes[:, axis + 2] = length - objects.boxes[:, axis + 2], length - objects.boxes[:, axis]
    masks, keypoints = objects.masks, objects.keypoints
    if masks is not None:
        rows, columns = (np.arange(n) for n in masks.size)
        masks = gather(masks, rows, columns[::-1]) if axis == 0 else gather(masks, rows[::-1], columns)
    if keypoints is not None:
        order = np.arange(keypoints.shape[1])
        for a, b in pairs:
            if not 0 <= min(a, b) <= max(a, b) < len(order):
                raise ValueError(f"pairs names keypoints {a} and {b}, and there are {len(order)}, counted from 0")
            order[[a, b]] = order[[b, a]]
        keypoints = keypoints[:, order]  # a copy
        labelled = keypoints[..., 2] > 0
        keypoints[..., axis][labelled] = length - keypoints[..., axis][labelled]
    return replace(objects, boxes=boxes, masks=masks, keypoints=keypoints, polygons=None)
