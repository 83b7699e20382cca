"""Which prediction answers for which truth in YOLOv3, as a table one can look at.

Redmon and Farhadi, "YOLOv3: an incremental improvement" (2018), section 2.1, and the choices of the program behind it:

1. *One anchor for each truth.*  Of the anchors of all heads, the one whose IoU with the truth is largest when both are
   centred on one point; the first of several (strict ``>``).  A head that does not hold that anchor has nothing to do
   with the truth.  (YOLOv3-tiny's cfg lists anchor 3 in both heads, so both answer, and anchor 0 in none, so none
   does.)
2. *One cell*: column ``int(x w)``, row ``int(y h)`` of a head of ``h`` x ``w`` cells.  A centre on the right or lower
   border (``x == 1``) belongs to the last cell, with the offset 1.  (Darknet reads past the row there.)
3. *Ignored*: a prediction that answers for no truth but whose decoded box has an IoU above ``ignore`` (0.7) with any
   truth is not told that there is nothing.
4. *Others too*, if asked: with ``iou_thresh`` below 1 every anchor whose centred IoU with the truth is above it answers
   as well, in its head's own cell (AlexeyAB's Darknet, ``iou_thresh=``).
5. *Meeting*: when two truths of an image come to the same cell and anchor, the later one overwrites the box of
   the earlier.  Of the classes Darknet keeps both (``collision="accumulate"``); ``"last"`` keeps the later one's only.

Everything here is on arrays and decided in float64; nothing is differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from minidet_kernels.arrays import Array, to_numpy

from ..models.blocks import Detector
from .truths import Truths, check_truths

Collision = Literal["accumulate", "last"]


@dataclass(frozen=True)
class YoloGrid:
    """What is fixed about a YOLOv3: ``anchors`` (width, height) in network pixels, and which of them each head holds.

    ``masks[k]`` lists the anchors of head ``k`` in the order of its channels: anchor by anchor, each with x, y, w, h,
    objectness and the classes.  ``size`` is the network's (height, width).
    """

    anchors: tuple[tuple[float, float], ...]
    masks: tuple[tuple[int, ...], ...]
    size: tuple[int, int]
    classes: int

    def __post_init__(self) -> None:
        for mask in self.masks:
            if len(set(mask)) != len(mask) or not all(0 <= a < len(self.anchors) for a in mask):
                raise ValueError(f"mask {mask} must name different anchors of the {len(self.anchors)} there are")

    @classmethod
    def of(cls, model: Detector) -> YoloGrid:
        """The grid of a detector with YOLOv3 heads: its anchors, numbered head after head."""
        if any(head.scale_x_y != 1 or head.new_coords for head in model.heads):
            raise ValueError("the YOLOv3 loss is for heads without scale_x_y and new_coords")
        anchors: list[tuple[float, float]] = []
        masks = []
        for head in model.heads:
            masks.append(tuple(range(len(anchors), len(anchors) + len(head.anchors))))
            anchors.extend(head.anchors)
        return cls(tuple(anchors), tuple(masks), model.size, model.classes)


class Row(NamedTuple):
    """One line of the table: truth ``truth`` of image ``image`` and who answers for it.

    ``head``, ``row``, ``column`` are -1 when no head holds the best anchor; ``iou`` is of the centred shapes;
    ``overwritten_by`` is the later truth of the same image that took the place, or -1.
    """

    image: int
    truth: int
    label: int
    head: int
    row: int
    column: int
    anchor: int
    iou: float
    overwritten_by: int


@dataclass(frozen=True)
class HeadTargets:
    """What one head is to learn: float64 (N, A, 5 + classes, h, w), and where it counts.

    ``box_weight`` (N, A, 1, h, w) is ``2 - w h`` where a prediction answers for a truth, else 0;
    ``objectness_weight`` is 0 for ignored predictions, else 1; ``class_weight`` is 1 where a prediction answers for a
    truth.  ``ignored`` bool (N, A, h, w).
    """

    target: np.ndarray
    box_weight: np.ndarray
    objectness_weight: np.ndarray
    class_weight: np.ndarray
    ignored: np.ndarray


@dataclass(frozen=True)
class Assignment:
    """The table (``rows``, by image and truth) and the targets of each head that follow from it."""

    rows: tuple[Row, ...]
    heads: tuple[HeadTargets, ...]

    @property
    def overwritten(self) -> int:
        """How many answers were overwritten by a later truth of the same image."""
        return sum(row.overwritten_by >= 0 for row in self.rows)

    @property
    def ignored(self) -> tuple[int, ...]:
        """How many predictions of each head were ignored."""
        return tuple(int(h.ignored.sum()) for h in self.heads)

    def __str__(self) -> str:
        lines = ["image truth label  head  cell (row, column)  anchor   IoU  overwritten by"]
        for r in self.rows:
            where = f"{r.head:5d}  {f'({r.row}, {r.column})':>18}" if r.head >= 0 else "none: no head has the anchor"
            by = r.overwritten_by if r.overwritten_by >= 0 else ""
            lines.append(f"{r.image:5d} {r.truth:5d} {r.label:5d} {where:25}  {r.anchor:6d} {r.iou:.3f}  {by}".rstrip())
        lines.append(f"{self.overwritten} overwritten; ignored per head: {', '.join(map(str, self.ignored))}")
        return "\n".join(lines)


def check_assign(
    heads: Sequence[Array], truths: Sequence[Truths], grid: YoloGrid, collision: str
) -> tuple[list[np.ndarray], list[Truths]]:
    """The heads on the host as (N, A, 5 + classes, h, w), the truths in float64; ``ValueError`` if they misfit."""
    if collision not in ("accumulate", "last"):
        raise ValueError(f"collision must be 'accumulate' or 'last', found {collision!r}")
    if len(heads) != len(grid.masks):
        raise ValueError(f"{len(heads)} head maps for {len(grid.masks)} masks")
    truths = [Truths(np.asarray(b, np.float64), np.asarray(c)) for b, c in truths]
    check_truths(truths, grid.classes)
    maps = []
    for k, (head, mask) in enumerate(zip(heads, grid.masks, strict=True)):
        if head.ndim != 4 or head.shape[:2] != (len(truths), len(mask) * (5 + grid.classes)):
            raise ValueError(
                f"head {k} has shape {head.shape}, expected ({len(truths)}, {len(mask)} x (5 + {grid.classes}), h, w)"
            )
        n, _, h, w = head.shape
        maps.append(to_numpy(head).reshape(n, len(mask), 5 + grid.classes, h, w))
    return maps, truths


def centred_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The IoU of sizes (T, 2) with anchors (A, 2) when both are centred on one point: float64 (T, A)."""
    inter = np.minimum(sizes[:, None], anchors).prod(axis=2)  # (T, A)
    return np.asarray(inter / (sizes.prod(axis=1)[:, None] + anchors.prod(axis=1) - inter))


def decode_boxes(head: np.ndarray, anchors: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (N, A, h, w, 4) centre x, y, width, height in 0..1 from a raw head (N, A, 5 + classes, h, w), in float64.

    ``x = (sigmoid(t_x) + column) / w`` and ``width = anchor exp(t_w) / network width``, as YOLOv3 does.
    """
    t = head[:, :, :4].astype(np.float64)
    h, w = t.shape[3:]
    with np.errstate(over="ignore"):  # exp may overflow: 1 / (1 + inf) is 0, and an infinite box has an IoU of 0
        x = (1 / (1 + np.exp(-t[:, :, 0])) + np.arange(w)) / w
        y = (1 / (1 + np.exp(-t[:, :, 1])) + np.arange(h)[:, None]) / h
        width = np.exp(t[:, :, 2]) * (anchors[:, 0] / size[1])[:, None, None]
        height = np.exp(t[:, :, 3]) * (anchors[:, 1] / size[0])[:, None, None]
    return np.stack([x, y, width, height], axis=-1)


def best_overlap(predicted: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """The largest IoU of each box (P, 4) with any truth (T, 4), all cxcywh: float64 (P,), 0 without truths."""
    best = np.zeros(len(predicted))
    px1, py1 = predicted[:, 0] - predicted[:, 2] / 2, predicted[:, 1] - predicted[:, 3] / 2
    px2, py2 = predicted[:, 0] + predicted[:, 2] / 2, predicted[:, 1] + predicted[:, 3] / 2
    with np.errstate(over="ignore", invalid="ignore"):
        area = predicted[:, 2] * predicted[:, 3]
        for x, y, w, h in truths:
            across = np.minimum(px2, x + w / 2) - np.maximum(px1, x - w / 2)
            down = np.minimum(py2, y + h / 2) - np.maximum(py1, y - h / 2)
            inter = np.maximum(across, 0) * np.maximum(down, 0)
            np.fmax(best, inter / (area + w * h - inter), out=best)  # fmax: a 0 x inf prediction has no IoU
    return best


def assign(
    heads: Sequence[Array],
    truths: Sequence[Truths],
    grid: YoloGrid,
    *,
    ignore: float = 0.7,
    collision: Collision = "accumulate",
    iou_thresh: float = 1.0,
) -> Assignment:
    """Assign the truths of each image to predictions, given the raw head maps (N, A (5 + classes), h, w).

    This is done on the host, to which the heads are copied if they are on a GPU.  The table lists an image's truths in
    turn and, of each, the answering anchors in the order of the heads.
    Raises ``ValueError`` for heads or truths that do not fit the grid or each other.

    This is the definition; `minidet.train.yolo_assign_fast` does the same, truths of an image all at once.
    """
    maps, truths = check_assign(heads, truths, grid, collision)
    anchors = np.asarray(grid.anchors, dtype=np.float64)
    targets = []
    for raw, mask in zip(maps, grid.masks, strict=True):
        n, _, _, h, w = raw.shape
        boxes = decode_boxes(raw, anchors[list(mask)], grid.size).reshape(n, -1, 4)
        iou = np.stack([best_overlap(b, t.boxes) for b, t in zip(boxes, truths, strict=True)]) if n else boxes[..., 0]
        ignored = (iou > ignore).reshape(n, len(mask), h, w)
        one = (n, len(mask), 1, h, w)
        targets.append(
            HeadTargets(np.zeros(raw.shape), np.zeros(one), 1.0 - ignored[:, :, None], np.zeros(one), ignored)
        )
    rows: list[Row] = []
    sizes = np.asarray(grid.size[::-1], dtype=np.float64)  # width, height
    for n, (boxes, labels) in enumerate(truths):
        shape_iou = centred_iou(boxes[:, 2:], anchors / sizes)
        taken: dict[tuple[int, int, int, int], int] = {}
        for t, (box, label) in enumerate(zip(boxes, labels, strict=True)):
            best = int(shape_iou[t].argmax())
            answering = {best, *np.flatnonzero(shape_iou[t] > iou_thresh).tolist()}
            holders = [(k, a) for k, mask in enumerate(grid.masks) for a, m in enumerate(mask) if m in answering]
            if not holders:
                rows.append(Row(n, t, int(label), -1, -1, -1, best, float(shape_iou[t, best]), -1))
            for k, a in holders:
                anchor = grid.masks[k][a]
                h, w = targets[k].ignored.shape[2:]
                column, row = min(int(box[0] * w), w - 1), min(int(box[1] * h), h - 1)
                place = (k, a, row, column)
                if place in taken:
                    earlier = taken[place]
                    rows[earlier] = rows[earlier]._replace(overwritten_by=t)
                taken[place] = len(rows)
                rows.append(Row(n, t, int(label), k, row, column, anchor, float(shape_iou[t, anchor]), -1))
                _write(targets[k], (n, a, row, column), box, int(label), anchors[anchor] / sizes, collision)
    return Assignment(tuple(rows), tuple(targets))


def _write(
    to: HeadTargets, place: tuple[int, int, int, int], box: np.ndarray, label: int, anchor: np.ndarray, collision: str
) -> None:
    """Make the prediction at ``place`` (image, anchor of the head, row, column) answer for this truth."""
    n, a, row, column = place
    h, w = to.ignored.shape[2:]
    target = to.target[n, a, :, row, column]  # a view
    target[0], target[1] = box[0] * w - column, box[1] * h - row
    target[2:4] = np.log(box[2:] / anchor)
    target[4] = 1
    if collision == "last":
        target[5:] = 0
    target[5 + label] = 1
    to.box_weight[n, a, 0, row, column] = 2 - box[2] * box[3]
    to.objectness_weight[n, a, 0, row, column] = 1
    to.class_weight[n, a, 0, row, column] = 1
    to.ignored[n, a, row, column] = False
