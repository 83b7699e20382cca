"""A rectangle of another picture in this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sample import Draw, Sample, Transform
from .fit import stretched
from .hiding import hide
from .mixup import other
from .moving import Part, Rectangle, move, together
from .options import check_at_least, check_keep


@dataclass(frozen=True)
class CutMix:
    """A rectangle of the picture replaced by the same one of another (Yun et al. 2019, section 3.1).

    The other picture is resized to the size of this one.  The rectangle has the share 1 - w of both sides' product,
    w from Beta(alpha, alpha), the shape of the picture, and its centre anywhere; it is clipped to the picture.  Objects
    of this picture that it hides: ``hiding``; of the other one those that are seen in it: ``moving``; both by ``keep``
    and ``least``.
    """

    alpha: float = 1.0
    keep: str = "share"
    least: float = 0.3
    each: Transform | None = None

    def __post_init__(self) -> None:
        check_at_least("alpha", self.alpha, 1e-3)
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        side = np.sqrt(1 - float(rng.beta(self.alpha, self.alpha)))
        centre = (W * float(rng.random()), H * float(rng.random()))
        edges = [
            int(np.clip(c + s * n * side / 2 + 0.5, 0, n)) for s in (-1, 1) for c, n in zip(centre, (W, H), strict=True)
        ]
        second = other(self.each, rng, draw)
        return patched(sample, second, (edges[0], edges[1], edges[2], edges[3]), self.keep, self.least)


def patched(a: Sample, b: Sample, window: Rectangle, keep: str, least: float) -> Sample:
    """``a`` with ``window`` (left, top, right, bottom) of ``b``, which is resized to the size of ``a``."""
    left, top, right, bottom = window
    if left >= right or top >= bottom:
        return a
    H, W = a.image.shape[:2]
    b = stretched(b, (H, W))
    image, hidden = a.image.copy(), np.zeros((H, W), bool)
    image[top:bottom, left:right] = b.image[top:bottom, left:right]
    hidden[top:bottom, left:right] = True
    behind = hide(a.objects, hidden, keep, least)
    return Sample(image, together([behind, move(b.objects, Part(window, window, (H, W)), keep, least)]))
