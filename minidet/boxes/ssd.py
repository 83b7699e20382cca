"""From the raw maps of SSD's heads to boxes and scores, on arrays (NumPy or CuPy).

Each map has two convolutions: of locations, 4 numbers for each of the A boxes of a cell, and of logits, one for each of
them and each class, the first of which is "nothing" (background, class 0 of the network).  Channels go box by box; the
rows of the result go map after map, row by row of cells, cell by cell, box by box, as the priors do.

Scores are the softmax over the classes, without that of "nothing" (Liu et al. 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace

from .candidates import Candidates
from .convert import cxcywh_to_xyxy
from .encoding import VARIANCES, decode
from .priors import Clip, PriorMap, priors
from .yolo import cells, softmax


@dataclass(frozen=True)
class SsdHead:
    """One map's boxes: their (width, height) in pixels for images of the network's own size, and the step.

    ``step`` None divides the image's side by the map's.
    """

    shapes: tuple[tuple[float, float], ...]
    step: float | None = None

    def count(self, rows: int, columns: int) -> int:
        """How many boxes a map of so many cells has."""
        return rows * columns * len(self.shapes)


@dataclass(frozen=True)
class SsdBoxes:
    """How the maps of an SSD become boxes: ``heads``, one a map, and the conventions of its priors.

    ``classes`` are those of things, without "nothing".  ``largest`` limits what decoding exponentiates
    (`minidet.boxes.encoding`).  ``inside``: decoded boxes are cut to the input before any is selected, so that
    suppression compares what is left of them (torchvision); else they are not (Caffe, ssd.pytorch).
    """

    heads: tuple[SsdHead, ...]
    classes: int
    clip: Clip = "none"
    variances: tuple[float, float] = VARIANCES
    largest: float | None = None
    inside: bool = False

    def priors(self, maps: Sequence[tuple[int, int]], size: tuple[int, int]) -> Array:
        """The priors (P, 4) float64 of maps of these (rows, columns) for images of ``size``, cxcywh in 0..1.

        They are made once for maps of the same shapes, and are read-only.
        """
        made = [PriorMap(*shape, head.step, head.shapes) for shape, head in zip(maps, self.heads, strict=True)]
        return _priors(tuple(made), tuple(size), self.clip)

    def places(self, maps: Sequence[tuple[int, int]]) -> np.ndarray:
        """Where each prior belongs: (P, 4) int64, its map, row, column, and box of the cell."""
        parts = [
            np.stack(np.meshgrid(k, np.arange(h), np.arange(w), np.arange(len(head.shapes)), indexing="ij"), axis=-1)
            for k, ((h, w), head) in enumerate(zip(maps, self.heads, strict=True))
        ]
        return np.concatenate([part.reshape(-1, 4) for part in parts])

    def rows(self, maps: Sequence[Any], join: Callable[[Sequence[Any]], Any] | None = None) -> tuple[Any, Any]:
        """Locations (N, P, 4) and logits (N, P, 1 + classes) of the maps: all of locations first, then all of logits.

        ``maps`` are arrays; or Tensors, when ``join`` concatenates a list of those along axis 1.  Raises ``ValueError``
        for maps of other shapes.
        """
        count = len(self.heads)
        if len(maps) != 2 * count:
            raise ValueError(f"{len(maps)} maps; {count} of locations and {count} of logits are expected")
        if join is None:
            xp = namespace(*maps)
            join = lambda rows: xp.concatenate(rows, axis=1)  # noqa: E731
        parts = []
        for numbers, some in ((4, maps[:count]), (1 + self.classes, maps[count:])):
            each = [cells(raw, len(head.shapes), numbers) for head, raw in zip(self.heads, some, strict=True)]
            flat = [one.reshape(one.shape[0], math.prod(one.shape[1:4]), numbers) for one in each]
            parts.append(join(flat))
        locations, logits = parts
        if locations.shape[1] != logits.shape[1]:
            raise ValueError(f"{locations.shape[1]} locations and {logits.shape[1]} logits: maps of different sizes")
        return locations, logits

    def candidates(self, maps: Sequence[Array], size: tuple[int, int]) -> list[Candidates]:
        """Per image, every box in pixels of the input, and its scores."""
        xp = namespace(*maps)
        locations, logits = self.rows(maps)
        made = self.priors([raw.shape[2:] for raw in maps[: len(self.heads)]], size).astype(locations.dtype)
        boxes = decode(locations, xp.asarray(made), variances=self.variances, largest=self.largest)
        scale = xp.asarray([size[1], size[0]] * 2, dtype=boxes.dtype)
        corners = (cxcywh_to_xyxy(boxes) * scale).astype("float32", copy=False)
        if self.inside:
            corners = corners.clip(0, scale.astype("float32"))
        scores = softmax(logits)[..., 1:].astype("float32", copy=False)
        return [Candidates(b, s) for b, s in zip(corners, scores, strict=True)]


@lru_cache(maxsize=32)
def _priors(maps: tuple[PriorMap, ...], size: tuple[int, int], clip: Clip) -> Array:
    made = priors(maps, size, clip=clip)
    made.flags.writeable = False
    return made
