"""SSD's crop: a patch that overlaps an object by at least so much (Liu et al. 2016, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minidet_kernels.overlap import iou_matrix

from ..sample import Draw, Sample
from .crop import cropped
from .moving import Rectangle
from .options import check_choice, check_count, check_keep, check_range, check_share, uniform


@dataclass(frozen=True)
class IoUCrop:
    """The whole picture, or a patch of it, one for each of ``overlaps`` that is the least IoU with an object.

    A patch of scale s and aspect ratio r, width to height as shares of the picture's, is s sqrt(r) W wide and
    s H / sqrt(r) high, anywhere in the picture, rounded half up.  s is drawn from ``scale``, and r from ``aspect`` as
    far as the patch fits the picture.  The paper says (.1, 1) and (1/2, 2); its authors' files have .3.  An overlap of
    0 asks nothing of the patch.

    choose      "sampler": one of ``overlaps`` or the whole picture is drawn first; up to ``trials`` patches are tried,
                and where none overlaps enough the picture stays whole.
                "patch": a patch is looked for with every one of ``overlaps``, and one of those found or the whole
                picture is drawn, as the authors' program does.
    satisfied   "any": one object must overlap that much (the authors' program); "all": every one.
    keep, least which objects are kept (``moving``); the paper: those whose centre is in the patch.
    """

    overlaps: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    scale: tuple[float, float] = (0.1, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    trials: int = 50
    choose: str = "sampler"
    satisfied: str = "any"
    keep: str = "centre"
    least: float = 0.0

    def __post_init__(self) -> None:
        for overlap in self.overlaps:
            check_share("overlaps", overlap)
        check_range("scale", self.scale, least=1e-6, most=1)
        check_range("aspect", self.aspect, least=1e-6)
        if not self.aspect[0] <= 1 <= self.aspect[1]:
            raise ValueError(f"aspect must be a range around 1, the only one that fits at scale 1, found {self.aspect}")
        check_count("trials", self.trials, 1)
        check_choice("choose", self.choose, ("sampler", "patch"))
        check_choice("satisfied", self.satisfied, ("any", "all"))
        check_keep(self.keep, self.least)

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        size, boxes = sample.image.shape[:2], sample.objects.boxes
        found: list[Rectangle | None]
        if self.choose == "patch":
            patches = [self._search(size, boxes, overlap, rng) for overlap in self.overlaps]
            found = [None, *(p for p in patches if p is not None)]
            window = found[int(rng.integers(len(found)))]
        else:
            chosen = int(rng.integers(len(self.overlaps) + 1))
            whole = chosen == len(self.overlaps)
            window = None if whole else self._search(size, boxes, self.overlaps[chosen], rng)
        return sample if window is None else cropped(sample, window, self.keep, self.least)

    def _search(
        self, size: tuple[int, ...], boxes: np.ndarray, overlap: float, rng: np.random.Generator
    ) -> Rectangle | None:
        """A patch that overlaps enough, or None after ``trials``."""
        if overlap > 0 and len(boxes) == 0:
            return None
        for _ in range(self.trials):
            patch = self._patch(size, rng)
            if overlap == 0:
                return patch
            found = iou_matrix(np.array([patch], np.float64), boxes)[0] >= overlap
            if found.any() if self.satisfied == "any" else found.all():
                return patch
        return None

    def _patch(self, size: tuple[int, ...], rng: np.random.Generator) -> Rectangle:
        H, W = size[:2]
        scale = uniform(rng, *self.scale)
        # Both sides fit: s sqrt(r) <= 1 and s / sqrt(r) <= 1.
        root = np.sqrt(uniform(rng, max(self.aspect[0], scale**2), min(self.aspect[1], 1 / scale**2)))
        width, height = min(scale * root, 1.0), min(scale / root, 1.0)
        left, top = uniform(rng, 0, 1 - width) * W, uniform(rng, 0, 1 - height) * H
        x, y = min(int(left + 0.5), W - 1), min(int(top + 0.5), H - 1)
        right, bottom = int(left + width * W + 0.5), int(top + height * H + 0.5)
        return x, y, min(max(right, x + 1), W), min(max(bottom, y + 1), H)
