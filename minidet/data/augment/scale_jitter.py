"""Large scale jitter: the picture in any size on an input of one size (Ghiasi et al. 2021, Simple Copy-Paste)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..resize import METHODS
from ..sample import Draw, Sample
from .moving import Part, canvas, move, paint
from .options import Fill, check_choice, check_fill, check_keep, check_range, check_size, uniform


@dataclass(frozen=True)
class ScaleJitter:
    """The picture, its shape kept, fitted to ``size`` (h, w) times a number from ``scale``, then cut or filled.

    On an axis where it is longer than ``size`` a random part of it is seen; where it is shorter, it lies at the start
    (``place="start"``, as in the paper's program) or anywhere (``"anywhere"``), and ``fill`` is around it.  The paper's
    large jitter has ``scale`` (.1, 2) on 1024 x 1024, its standard one (.8, 1.25).
    """

    size: tuple[int, int] = (1024, 1024)
    scale: tuple[float, float] = (0.1, 2.0)
    place: str = "start"
    fill: Fill = 128
    keep: str = "share"
    least: float = 0.1
    resize: str = "half_pixel"

    def __post_init__(self) -> None:
        check_size("size", self.size)
        check_range("scale", self.scale, least=1e-6)
        check_choice("place", self.place, ("start", "anywhere"))
        check_fill("fill", self.fill)
        check_keep(self.keep, self.least)
        check_choice("resize", self.resize, METHODS)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        H, W = sample.image.shape[:2]
        h, w = (int(n) for n in self.size)
        factor = uniform(rng, *self.scale) * min(h / H, w / W)
        left, top = (self._start(rng, w - W * factor), self._start(rng, h - H * factor))
        part = Part.placed((H, W), left, top, W * factor, H * factor, (h, w))
        image = canvas((h, w), self.fill)
        paint(image, sample.image, part, self.resize)
        return Sample(image, move(sample.objects, part, self.keep, self.least))

    def _start(self, rng: np.random.Generator, room: float) -> float:
        """Where the picture begins on an axis that has ``room`` more pixels than it; fewer where that is negative."""
        return uniform(rng, 0, room if self.place == "anywhere" else min(room, 0))
