"""Objects of another picture pasted into this one (Ghiasi et al. 2021, Simple Copy-Paste)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minidet_kernels.masks import decode

from ..dataset import Objects
from ..sample import Draw, Sample, Transform
from .hiding import hide
from .mixup import other
from .moving import Part, canvas, move, paint, together
from .options import check_keep, check_share


@dataclass(frozen=True)
class CopyPaste:
    """Each object of another picture is pasted, where it is, with probability ``p``; crowds are not.

    What is pasted are the pixels of its mask, or where there are no masks the pixels whose centre lies in its box.  The
    other picture, after ``each``, is laid at the top left: what lies outside of this one is cut off, by ``keep`` and
    ``least``.  By these, too, objects of this picture go that are hidden; of those that are not, masks and boxes become
    what is left (``hiding``, tightened).  The paper applies large scale jitter and flips to both pictures before.
    """

    p: float = 0.5
    keep: str = "share"
    least: float = 0.1
    each: Transform | None = None

    def __post_init__(self) -> None:
        check_share("p", self.p)
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        second = other(self.each, rng, draw)
        chosen = (rng.random(len(second.objects)) < self.p) & ~second.objects.crowd
        return pasted(sample, Sample(second.image, second.objects[chosen]), self.keep, self.least)


def pasted(onto: Sample, source: Sample, keep: str, least: float) -> Sample:
    """``onto`` with all objects of ``source`` over it."""
    (h, w), (H, W) = onto.image.shape[:2], source.image.shape[:2]
    window = (0, 0, min(W, w), min(H, h))
    part = Part(window, window, (h, w))
    objects = move(source.objects, part, keep, least)
    pixels: np.ndarray = np.logical_or.reduce(shapes(objects, (h, w)), axis=0)
    if not pixels.any():
        return onto
    image = canvas((h, w), 0)
    paint(image, source.image, part)
    image = np.where(pixels[..., None], image, onto.image)
    return Sample(image, together([hide(onto.objects, pixels, keep, least, tighten=True), objects]))


def shapes(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """The pixels of each object (N, h, w), bool: of its mask, or those whose centre lies in its box."""
    if objects.masks is not None:
        return decode(objects.masks)
    rows, columns = (np.arange(n) + 0.5 for n in size)
    x1, y1, x2, y2 = objects.boxes.T[..., None]
    across, down = (columns >= x1) & (columns < x2), (rows >= y1) & (rows < y2)  # (N, w), (N, h)
    return down[:, :, None] & across[:, None, :]
