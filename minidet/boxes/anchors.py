"""Anchors of region proposal networks: the same few boxes around every cell of a map, by named conventions.

Ren et al., "Faster R-CNN" (2015), section 3.1.1; one size a level as in Lin et al., "Feature Pyramid Networks" (2017),
section 4.1.  Of a size s and a ratio r = height / width, an anchor has the area s**2:

    width = s / sqrt(r),   height = s sqrt(r)

Conventions, by name (``rule``); wrong ones give no error, only boxes that are a little off:

* ``"torchvision"``: corners around the cell's own corner (0, 0), each rounded to whole pixels, halves to even.
* ``"detectron2"``: the same without rounding.
* ``"detectron"``: Detectron's and py-faster-rcnn's.  A base of one stride, 0 to stride - 1 with its last pixel counted,
  gets each ratio (its sides rounded), and is then made s / stride times as large; x2 - x1 is one less than the width.

``offset``: where in a cell its anchors are, in strides: 0 at its corner (all three programs' configurations), or 0.5 at
its middle (the default of detectron2's class).

The order is everybody's: rows of cells, cells of a row, then ratio by ratio with the sizes of each ("torchvision" and
"detectron"; in "detectron2" size by size with the ratios of each).  Of one size they are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RULES = ("torchvision", "detectron2", "detectron")
RATIOS = (0.5, 1.0, 2.0)


def base_anchors(
    sizes: Sequence[float], ratios: Sequence[float] = RATIOS, *, stride: float = 16, rule: str = "torchvision"
) -> np.ndarray:
    """The anchors (A, 4) float64, xyxy in pixels, of the cell at the image's corner.

    ``stride`` matters to ``"detectron"`` alone.  Raises ``ValueError`` for an unknown rule, and for sizes, ratios or a
    stride that are not positive.
    """
    if rule not in RULES:
        raise ValueError(f"anchors: rule is one of {', '.join(map(repr, RULES))}, not {rule!r}")
    if not all(0 < v < math.inf for v in (*sizes, *ratios, stride)):
        raise ValueError(f"anchors: sizes {tuple(sizes)}, ratios {tuple(ratios)} and stride {stride} must be positive")
    if rule == "detectron":
        middle, made = (stride - 1) / 2, []
        for ratio in ratios:
            width = np.rint(np.sqrt(stride * stride / ratio))
            height = np.rint(width * ratio)
            for size in sizes:
                half = (np.array([width, height]) * (size / stride) - 1) / 2
                made.append([*(middle - half), *(middle + half)])
        return np.array(made, np.float64).reshape(-1, 4)
    pairs = (
        [(s, r) for r in ratios for s in sizes] if rule == "torchvision" else [(s, r) for s in sizes for r in ratios]
    )
    if rule == "torchvision":  # in float32, where it is decided which way a half goes
        roots = {r: np.sqrt(np.float32(r)) for r in ratios}
        sides = [(np.float32(1) / roots[r] * np.float32(s), roots[r] * np.float32(s)) for s, r in pairs]
    else:
        sides = [(s / math.sqrt(r), s * math.sqrt(r)) for s, r in pairs]
    half = np.array(sides, np.float64).reshape(-1, 2) / 2
    boxes = np.concatenate([-half, half], axis=1)
    return np.rint(boxes) if rule == "torchvision" else boxes


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one map: ``sizes`` in pixels of the input, ``ratios`` height / width."""

    sizes: tuple[float, ...]
    ratios: tuple[float, ...] = RATIOS
    rule: str = "torchvision"
    offset: float = 0.0

    def __len__(self) -> int:
        """How many anchors each cell has."""
        return len(self.sizes) * len(self.ratios)

    def count(self, rows: int, columns: int) -> int:
        """How many anchors a map of so many cells has."""
        return rows * columns * len(self)

    def anchors(self, rows: int, columns: int, size: tuple[int, int]) -> np.ndarray:
        """The anchors (rows columns A, 4) float64, xyxy in pixels of an input of ``size`` (height, width).

        The strides are whole: height // rows and width // columns.
        """
        down, across = (n // max(cells, 1) for n, cells in zip(size, (rows, columns), strict=True))
        base = base_anchors(self.sizes, self.ratios, stride=max(across, 1), rule=self.rule)
        x, y = ((np.arange(n) + self.offset) * step for n, step in ((columns, across), (rows, down)))
        grid = np.empty((rows, columns, 1, 4))
        grid[..., 0::2] = x[:, None, None]
        grid[..., 1::2] = y[:, None, None, None]
        return (grid + base).reshape(-1, 4)


def pyramid_anchors(
    levels: Sequence[AnchorLevel], maps: Sequence[tuple[int, int]], size: tuple[int, int]
) -> list[np.ndarray]:
    """The anchors of each level for maps of these (rows, columns): a list of (M, 4) float64."""
    return [level.anchors(*cells, size) for level, cells in zip(levels, maps, strict=True)]
