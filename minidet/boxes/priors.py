"""Prior boxes ("default boxes", "anchors") of SSD, and what programs do differently in making them.

Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2.  A map of ``rows`` x ``columns`` cells has the
same boxes in every cell.  With sizes s of the map and s' of the next one in pixels, they are, as (width, height):

    (s, s),  (sqrt(s s'), sqrt(s s')),  and for each ratio r   (s sqrt(r), s / sqrt(r)),  (s / sqrt(r), s sqrt(r))

and the cell in row i and column j has its centre at ``((j + 1/2) step, (i + 1/2) step)`` pixels.

Conventions, by name; wrong ones give no error, only worse boxes:

* ``order``: of a cell's boxes.  ``"small, large, ratios"``: as above (Caffe's default, torchvision, ChainerCV,
  ssd.pytorch); ``"small, ratios, large"`` (Caffe's ``min_max_aspect_ratios_order: false``, mmdetection).
* ``sizes``: ``"exact"``, or ``"truncated"`` to whole pixels (Caffe's ``int min_size``): 35.84 becomes 35.
* ``step``: pixels from one centre to the next.  ``"given"`` (8, 16, 32, ...) or ``"map"``: the image's side divided by
  the map's (300 / 38 = 7.89 where 8 is given).
* ``clip``: ``"none"`` (ChainerCV); ``"corners"``: to the image (Caffe); ``"centres"``: each of centre x, centre y,
  width, height to 0..1 (ssd.pytorch); ``"sides"``: width and height alone to at most the image (torchvision).

Rows of cells, cells of a row, boxes of a cell, map after map: everybody agrees on that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Order = Literal["small, large, ratios", "small, ratios, large"]
Clip = Literal["none", "corners", "centres", "sides"]
ORDERS = ("small, large, ratios", "small, ratios, large")
CLIPS = ("none", "corners", "centres", "sides")


@dataclass(frozen=True)
class PriorMap:
    """One map: its cells, the step in pixels (None: the image's side over the map's), and its boxes in pixels.

    ``shapes`` is a tuple of (width, height).
    """

    rows: int
    columns: int
    step: float | None
    shapes: tuple[tuple[float, float], ...]

    def __len__(self) -> int:
        """How many priors the map has."""
        return self.rows * self.columns * len(self.shapes)


def shapes(
    size: float,
    larger: float | None,
    ratios: Sequence[float] = (),
    *,
    order: Order = "small, large, ratios",
    sizes: Literal["exact", "truncated"] = "exact",
) -> tuple[tuple[float, float], ...]:
    """The (width, height) of a cell's boxes in pixels: of ``size``, of that and ``larger`` (None: no such box), ratios.

    Raises ``ValueError`` for an unknown option, a size that is not positive and a ratio that is not, or is 1.
    """
    if order not in ORDERS or sizes not in ("exact", "truncated"):
        raise ValueError(f"shapes: order is one of {ORDERS}, sizes 'exact' or 'truncated'; found {order!r}, {sizes!r}")
    if not size > 0 or (larger is not None and not larger > 0) or not all(r > 0 and r != 1 for r in ratios):
        raise ValueError(
            f"shapes: sizes must be positive and ratios too, none of them 1; found {size}, {larger}, {ratios}"
        )
    if sizes == "truncated":
        size, larger = int(size), None if larger is None else int(larger)
    both = [] if larger is None else [(math.sqrt(size * larger),) * 2]
    others = [
        side for root in map(math.sqrt, ratios) for side in ((size * root, size / root), (size / root, size * root))
    ]
    middle = [*both, *others] if order == ORDERS[0] else [*others, *both]
    return ((float(size), float(size)), *middle)


def shapes_of_maps(
    pixels: Sequence[float], ratios: Sequence[Sequence[float]], **conventions: Any
) -> list[tuple[tuple[float, float], ...]]:
    """The ``shapes`` of each map, by ``conventions`` of theirs.

    ``pixels`` are the sizes of the maps, and one after the last; ``ratios`` are one tuple a map.  Raises ``ValueError``
    as ``shapes`` does, and for other than one size more than maps.
    """
    if len(pixels) != len(ratios) + 1:
        raise ValueError(f"{len(pixels)} sizes of priors for {len(ratios)} maps; one more than maps is expected")
    return [shapes(s, larger, r, **conventions) for (s, larger), r in zip(pairwise(pixels), ratios, strict=True)]


def priors(maps: Sequence[PriorMap], size: tuple[int, int], *, clip: Clip = "none") -> np.ndarray:
    """The priors of all maps for an image of ``size`` (height, width): (P, 4) float64, centre x, y, width, height.

    In units of the image's width and height, so that it fills 0..1.  Raises ``ValueError`` for an unknown ``clip``.
    """
    if clip not in CLIPS:
        raise ValueError(f"priors: clip is one of {', '.join(map(repr, CLIPS))}, not {clip!r}")
    height, width = size
    parts = [np.zeros((0, 4))]
    for one in maps:
        across, down = (width / one.columns, height / one.rows) if one.step is None else (one.step, one.step)
        made = np.empty((one.rows, one.columns, len(one.shapes), 4))
        made[..., 0] = ((np.arange(one.columns) + 0.5) * across / width)[:, None]
        made[..., 1] = ((np.arange(one.rows) + 0.5) * down / height)[:, None, None]
        made[..., 2:] = np.asarray(one.shapes, np.float64).reshape(-1, 2) / (width, height)
        parts.append(made.reshape(-1, 4))
    boxes = np.concatenate(parts)
    if clip == "corners":
        low = np.clip(boxes[:, :2] - boxes[:, 2:] / 2, 0, 1)
        high = np.clip(boxes[:, :2] + boxes[:, 2:] / 2, 0, 1)
        return np.concatenate([(low + high) / 2, high - low], axis=1)
    if clip == "centres":
        return np.clip(boxes, 0, 1)
    if clip == "sides":
        boxes[:, 2:] = np.clip(boxes[:, 2:], 0, 1)
    return boxes
