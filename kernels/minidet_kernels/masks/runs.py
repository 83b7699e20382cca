"""Runs of masks from dense masks and back; their areas, boxes, union and intersection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from . import check


@dataclass(frozen=True, eq=False)
class Runs:
    """N masks of one ``size``, (h, w): ``counts`` (R,) the runs of all, ``splits`` (N + 1,) where each begins and ends.

    Both are int64.  Raises as ``mask_iou`` for what are not the runs of such masks.
    """

    counts: Array
    splits: Array
    size: tuple[int, int]

    def __post_init__(self) -> None:
        check.sizes("Runs", self.size)
        check.runs("Runs", ("counts", "splits"), self.counts, self.splits, self.size)
        object.__setattr__(self, "counts", self.counts.astype(np.int64, copy=False))
        object.__setattr__(self, "splits", self.splits.astype(np.int64, copy=False))
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))

    def __len__(self) -> int:
        return len(self.splits) - 1

    def take(self, indices: Array) -> Runs:
        """The masks at these indices, in their order."""
        chosen = np.atleast_1d(np.arange(len(self))[indices])
        lengths = np.diff(self.splits)[chosen]
        splits = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(splits[-1]) + np.repeat(self.splits[:-1][chosen] - splits[:-1], lengths)
        return Runs(self.counts[places], splits, self.size)


def trusted(counts: Array, splits: Array, size: tuple[int, int]) -> Runs:
    """``Runs`` of int64 arrays that have been checked already."""
    runs = object.__new__(Runs)
    for name, value in (("counts", counts), ("splits", splits), ("size", (int(size[0]), int(size[1])))):
        object.__setattr__(runs, name, value)
    return runs


def encode(masks: Array) -> Runs:
    """The runs of dense ``masks`` (N, h, w), of bool or of integers 0 and 1.

    Raises ``ValueError`` for another shape or other values, ``TypeError`` for another dtype.
    """
    check.dense("encode", masks)
    n, h, w = masks.shape
    columns = masks.transpose(0, 2, 1).reshape(n, w * h).astype(bool)  # (N, wh), a column of each mask after the other
    changes = columns.copy()
    changes[:, 1:] ^= columns[:, :-1]
    mask, place = np.nonzero(changes)
    return from_changes(mask, place, n, (h, w))


def from_changes(mask: Array, place: Array, n: int, size: tuple[int, int]) -> Runs:
    """Runs from where pixels differ from the one before (before the first is a zero): in order, by mask."""
    splits = np.concatenate([[0], np.cumsum(np.bincount(mask, minlength=n) + 1)])  # a run ends at each, and at the end
    ends = np.full(splits[-1], size[0] * size[1])
    ends[np.arange(len(mask)) + mask] = place
    counts = np.diff(ends, prepend=0)
    counts[splits[:-1]] = ends[splits[:-1]]
    return trusted(counts, splits, size)


def decode(runs: Runs) -> Array:
    """Dense masks (N, h, w) of bool; a view, in which a column's pixels are neighbours in memory."""
    (h, w), ones = runs.size, _ones(runs)
    return np.repeat(ones, runs.counts).reshape(len(runs), w, h).transpose(0, 2, 1)


def _ones(runs: Runs) -> Array:
    """Which runs are of ones: (R,)."""
    within = np.arange(len(runs.counts)) - np.repeat(runs.splits[:-1], np.diff(runs.splits))
    return within % 2 == 1


def areas(runs: Runs) -> Array:
    """Pixels of each mask: (N,) int64."""
    total = np.concatenate([[0], np.cumsum(runs.counts * _ones(runs))])
    return total[runs.splits[1:]] - total[runs.splits[:-1]]


def _spans(runs: Runs) -> tuple[Array, Array, Array]:
    """Of each run of ones that has pixels: its mask, where it begins, and where it ends."""
    mask = np.repeat(np.arange(len(runs)), np.diff(runs.splits))
    ends = np.cumsum(runs.counts) - mask * (runs.size[0] * runs.size[1])
    chosen = _ones(runs) & (runs.counts > 0)
    return mask[chosen], (ends - runs.counts)[chosen], ends[chosen]


def bounds(runs: Runs) -> Array:
    """The box around each mask: (N, 4) float64, ``x1 y1 x2 y2`` with x2 and y2 behind the last pixel.

    Of a mask without pixels it is 0 0 0 0.  (COCO's boxes are ``x1, y1, x2 - x1, y2 - y1``.)
    """
    out = np.zeros((len(runs), 4))
    mask, start, end = _spans(runs)
    if len(mask):
        h = runs.size[0]
        left, right = start // h, (end - 1) // h
        # a run over several columns has the last row of one and the first of the next
        top, bottom = np.where(left < right, 0, start % h), np.where(left < right, h, (end - 1) % h + 1)
        first = np.flatnonzero(np.diff(mask, prepend=-1))
        least = [np.minimum.reduceat(x, first) for x in (left, top)]
        most = [np.maximum.reduceat(x, first) for x in (right + 1, bottom)]
        out[mask[first]] = np.stack(least + most, axis=1)
    return out


def merge(runs: Runs, *, intersect: bool = False) -> Runs:
    """One mask: the pixels of any mask, or with ``intersect`` of all.

    Of no masks it is without pixels, or with ``intersect`` full.
    """
    _, start, end = _spans(runs)
    at, which = np.unique(np.concatenate([[0], start, end]), return_inverse=True)
    steps = np.bincount(which, np.repeat([0, 1, -1], [1, len(start), len(start)]))
    inside = np.cumsum(steps) >= (len(runs) if intersect else 1)  # from each place on
    change = at[np.flatnonzero(np.diff(inside, prepend=False))]
    change = change[change < runs.size[0] * runs.size[1]]
    return from_changes(np.zeros(len(change), np.int64), change, 1, runs.size)
