"""The table behind SSD's loss: which prior answers for which truth, and which negatives were mined, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from minidet_kernels import iou_matrix
from minidet_kernels.arrays import Array

from ..boxes.convert import cxcywh_to_xyxy
from .multibox import MultiboxLoss, MultiboxTargets
from .truths import Truths


class PriorRow(NamedTuple):
    """One prior that counts in the loss of classes.

    ``prior`` is its number, which is box ``box`` of the cell in ``row`` and ``column`` of map ``map``; ``bounds`` are
    x1, y1, x2, y2 in pixels of the input.  Of a positive, ``truth`` and ``label`` are those that it answers for,
    ``iou`` is its overlap with that truth, and ``forced`` says that it is the truth's best prior, whatever the
    threshold; its ``rank`` is -1.  Of a mined negative, ``truth`` and ``label`` are -1, ``iou`` is the largest overlap
    with any truth, and ``rank`` its place among the image's negatives, the hardest being 0.  ``loss`` is what the
    logits cost, before normalising; ``times`` how often it counts (2 where ``shortage="twice"`` fills up).
    """

    image: int
    prior: int
    map: int
    row: int
    column: int
    box: int
    bounds: tuple[float, float, float, float]
    truth: int
    label: int
    iou: float
    forced: bool
    rank: int
    loss: float
    times: int


class TruthRow(NamedTuple):
    """One truth: how many priors answer for it, how many of them by force, and the largest overlap of those."""

    image: int
    truth: int
    label: int
    bounds: tuple[float, float, float, float]
    priors: int
    forced: int
    iou: float


class MultiboxTable(NamedTuple):
    """The rows by image: truths in their order, positives by prior, mined negatives by rank; and the ``targets``.

    ``cells`` are the (rows, columns) of each map, ``boxes`` how many a cell has, ``size`` is the input's (height,
    width).
    """

    truths: tuple[TruthRow, ...]
    positives: tuple[PriorRow, ...]
    mined: tuple[PriorRow, ...]
    targets: MultiboxTargets
    cells: tuple[tuple[int, int], ...]
    boxes: tuple[int, ...]
    size: tuple[int, int]


def multibox_table(multibox: MultiboxLoss, maps: Sequence[Array], truths: Sequence[Truths]) -> MultiboxTable:
    """What ``multibox.targets`` decides for the raw maps of an SSD and the truths of its N images, as rows."""
    targets = multibox.targets(maps, truths)
    height, width = multibox.size
    cells = tuple((int(raw.shape[2]), int(raw.shape[3])) for raw in maps[: len(multibox.boxes.heads)])
    boxes = tuple(len(head.shapes) for head in multibox.boxes.heads)
    places, times = multibox.boxes.places(cells).tolist(), multibox.weights(targets).astype(int)
    corners = cxcywh_to_xyxy(targets.priors)
    bounds = corners * ([width, height] * 2)
    answers: list[TruthRow] = []
    positives: list[PriorRow] = []
    mined: list[PriorRow] = []
    for n, (wanted, labels) in enumerate(truths):
        match, losses = targets.matches[n], targets.losses[n]
        own = cxcywh_to_xyxy(np.asarray(wanted, np.float64).reshape(-1, 4))
        nearest = iou_matrix(own, corners).max(axis=0) if len(own) else np.zeros(len(corners))
        for t, label in enumerate(np.asarray(labels).tolist()):
            mine = match.truth == t
            count, by_force, iou = int(mine.sum()), int(match.forced[mine].sum()), float(match.iou[mine].max(initial=0))
            answers.append(TruthRow(n, t, label, _four(own[t] * ([width, height] * 2)), count, by_force, iou))

        def row(p: int, truth: int, iou: float, rank: int, n: int = n) -> PriorRow:
            k, i, j, box = places[p]
            label, forced = int(targets.classes[n, p]) - 1, bool(targets.matches[n].forced[p])
            loss, often = float(targets.losses[n, p]), int(times[n, p])
            return PriorRow(n, p, k, i, j, box, _four(bounds[p]), truth, label, iou, forced, rank, loss, often)

        positives += [row(p, int(match.truth[p]), float(match.iou[p]), -1) for p in match.positives.tolist()]
        chosen = np.flatnonzero(targets.mined[n])
        hardest = chosen[np.argsort(np.where(np.isnan(losses), -np.inf, -losses)[chosen], kind="stable")]
        mined += [row(p, -1, float(nearest[p]), rank) for rank, p in enumerate(hardest.tolist())]
    return MultiboxTable(tuple(answers), tuple(positives), tuple(mined), targets, cells, boxes, multibox.size)


def _four(box: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2
