"""Two pictures, one through the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample, Transform
from .moving import Part, canvas, levels, move, paint, together
from .options import Fill, check_at_least, check_fill, check_share


@dataclass(frozen=True)
class MixUp:
    """w times the picture plus 1 - w times another, w drawn from Beta(alpha, alpha) (Zhang et al. 2018; for detection
    Zhang et al. 2019, Bag of Freebies, section 3.1, with alpha 1.5).

    Neither is resized: both lie at the top left of one as large as the larger side of either, ``fill`` around them.
    All objects of both are in the result, but for those of a picture whose weight is below ``least``.  ``each`` is
    applied to the other picture first.
    """

    alpha: float = 1.5
    least: float = 0.1
    fill: Fill = 128
    each: Transform | None = None

    def __post_init__(self) -> None:
        check_at_least("alpha", self.alpha, 1e-3)
        check_share("least", self.least)
        check_fill("fill", self.fill)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        weight = float(rng.beta(self.alpha, self.alpha))
        return mixed(sample, other(self.each, rng, draw), weight, self.fill, self.least)


def other(each: Transform | None, rng: np.random.Generator, draw: Draw) -> Sample:
    """Another sample of the data set, with ``each`` applied."""
    drawn = draw(rng)
    return drawn if each is None else each(drawn, rng, draw)


def mixed(a: Sample, b: Sample, weight: float, fill: Fill = 128, least: float = 0.0) -> Sample:
    """``weight`` times ``a`` plus 1 - ``weight`` times ``b``, in float32, to the nearest level."""
    size = tuple(max(n) for n in zip(a.image.shape[:2], b.image.shape[:2], strict=True))
    total, objects = np.zeros((*size, 3), np.float32), []
    for sample, share in ((a, weight), (b, 1 - weight)):
        H, W = sample.image.shape[:2]
        part = Part((0, 0, W, H), (0, 0, W, H), (size[0], size[1]))
        image = sample.image
        if size != (H, W):
            image = canvas((size[0], size[1]), fill)
            paint(image, sample.image, part)
        total += np.float32(share) * image
        moved = move(sample.objects, part)
        objects.append(moved if share >= least else moved[:0])
    return Sample(levels(total), together(objects))
