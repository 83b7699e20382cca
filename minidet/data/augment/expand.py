"""A picture on a larger one, so that its objects are smaller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample
from .moving import Part, canvas, move, paint
from .options import Fill, check_at_least, check_fill, uniform


@dataclass(frozen=True)
class Expand:
    """The picture as it is, anywhere on one up to ``most`` times as high and wide (SSD, Liu et al. 2016, section 3.6).

    The factor is drawn from 1 to ``most`` for both sides, which are rounded half up; ``fill`` is around the picture, in
    SSD the mean of its data, here that of ImageNet.  No object is cut or dropped.
    """

    most: float = 4.0
    fill: Fill = (123, 117, 104)

    def __post_init__(self) -> None:
        check_at_least("most", self.most, 1)
        check_fill("fill", self.fill)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        factor = uniform(rng, 1, self.most)
        h, w = int(H * factor + 0.5), int(W * factor + 0.5)
        top, left = int(rng.integers(h - H + 1)), int(rng.integers(w - W + 1))
        part = Part((0, 0, W, H), (left, top, left + W, top + H), (h, w))
        image = canvas((h, w), self.fill)
        paint(image, sample.image, part)
        return Sample(image, move(sample.objects, part))
