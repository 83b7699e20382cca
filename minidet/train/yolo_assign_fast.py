"""`minidet.train.yolo_assign.assign`, all truths of an image at once; a test asks that both be equal, bit for bit.

The definition goes through the truths one by one and through the predictions once for each.  Here the overlaps of an
image's predictions are one array (T, P), worked on in place so that it stays in the caches, and places are found for
all truths together; only their meeting is still looked at in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from minidet_kernels.arrays import Array

from .yolo_assign import (
    Assignment,
    Collision,
    HeadTargets,
    Row,
    Truths,
    YoloGrid,
    centred_iou,
    check_assign,
    decode_boxes,
)

#: How many overlaps to compute at a time: pieces of so many float64 stay in the second cache.
PIECE = 1 << 15


def assign(
    heads: Sequence[Array],
    truths: Sequence[Truths],
    grid: YoloGrid,
    *,
    ignore: float = 0.7,
    collision: Collision = "accumulate",
    iou_thresh: float = 1.0,
) -> Assignment:
    """As the definition: same arguments, same errors, same table and same targets."""
    maps, truths = check_assign(heads, truths, grid, collision)
    anchors = np.asarray(grid.anchors, dtype=np.float64)
    shares = anchors / np.asarray(grid.size[::-1], dtype=np.float64)
    answers = [_answers(t, shares, iou_thresh) for t in truths]
    rows: list[tuple[tuple[int, int, int, int, int], Row]] = []
    targets = []
    for k, (raw, mask) in enumerate(zip(maps, grid.masks, strict=True)):
        n, _, _, h, w = raw.shape
        boxes = decode_boxes(raw, anchors[list(mask)], grid.size).reshape(n, -1, 4)
        best = [best_overlap(b, t.boxes) for b, t in zip(boxes, truths, strict=True)]
        ignored = (np.stack(best) if n else boxes[..., 0]) > ignore
        one = (n, len(mask), 1, h, w)
        ignored = ignored.reshape(n, len(mask), h, w)
        to = HeadTargets(np.zeros(raw.shape), np.zeros(one), 1.0 - ignored[:, :, None], np.zeros(one), ignored)
        for i, (t, (_, iou, answering)) in enumerate(zip(truths, answers, strict=True)):
            _head(k, i, t, iou, answering, np.asarray(mask, np.int64), shares, to, collision, rows)
        targets.append(to)
    for i, (t, (first, iou, answering)) in enumerate(zip(truths, answers, strict=True)):
        held = np.zeros(len(t.boxes), bool)
        for mask in grid.masks:
            held |= answering[:, list(mask)].any(axis=1)
        for j in np.flatnonzero(~held).tolist():
            a = int(first[j])
            rows.append(((i, j, -1, -1, -1), Row(i, j, int(t.labels[j]), -1, -1, -1, a, float(iou[j, a]), -1)))
    rows.sort(key=lambda pair: pair[0])
    return Assignment(tuple(row for _, row in rows), tuple(targets))


def _answers(truths: Truths, shares: np.ndarray, iou_thresh: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best anchor of each truth int (T,), all centred IoU (T, A), and which anchors answer, bool (T, A)."""
    iou = centred_iou(truths.boxes[:, 2:], shares)
    first = iou.argmax(axis=1)
    answering = iou > iou_thresh
    answering[np.arange(len(first)), first] = True
    return first, iou, answering


def _head(
    k: int, image: int, truths: Truths, iou: np.ndarray, answering: np.ndarray, mask: np.ndarray, shares: np.ndarray,
    to: HeadTargets, collision: str, rows: list[tuple[tuple[int, int, int, int, int], Row]],
) -> None:  # fmt: skip
    """Write one image's targets into those of head ``k``, and its lines into ``rows``."""
    t, a = np.nonzero(answering[:, mask])  # by truth, then by anchor of the head
    if not len(t):
        return
    h, w = to.ignored.shape[2:]
    box, label, anchor = truths.boxes[t], truths.labels[t].astype(np.int64), mask[a]
    column, row = (np.minimum((box[:, d] * n).astype(np.int64), n - 1) for d, n in ((0, w), (1, h)))
    place = (a * h + row) * w + column
    later: dict[int, int] = {}
    over = np.full(len(t), -1)
    for j in range(len(t) - 1, -1, -1):  # the next that came to the same place
        over[j] = later.get(int(place[j]), -1)
        later[int(place[j])] = int(t[j])
    at = (np.full(len(t), image), a, row, column)
    last = tuple(part[over < 0] for part in at)
    values = np.concatenate(
        [box[:, :2] * [w, h] - np.stack([column, row], axis=1), np.log(box[:, 2:] / shares[anchor])], axis=1
    )
    n_, a_, row_, column_ = last
    to.target[n_, a_, :4, row_, column_] = values[over < 0]
    to.target[n_, a_, 4, row_, column_] = 1
    n_, a_, row_, column_, label = (*at, label) if collision == "accumulate" else (*last, label[over < 0])
    to.target[n_, a_, 5 + label, row_, column_] = 1
    to.box_weight[:, :, 0][last] = (2 - box[:, 2] * box[:, 3])[over < 0]
    to.objectness_weight[:, :, 0][last] = 1
    to.class_weight[:, :, 0][last] = 1
    to.ignored[last] = False
    table = zip(t.tolist(), truths.labels[t].tolist(), row.tolist(), column.tolist(), anchor.tolist(),
                iou[t, anchor].tolist(), over.tolist(), a.tolist(), strict=True)  # fmt: skip
    rows.extend(
        ((image, truth, k, held, anchor), Row(image, truth, label, k, r, c, anchor, overlap, by))
        for truth, label, r, c, anchor, overlap, by, held in table
    )


def best_overlap(predicted: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """The largest IoU of each box (P, 4) with any truth (T, 4), all cxcywh: float64 (P,), 0 without truths."""
    best = np.zeros(len(predicted))
    if not len(truths):
        return best
    step = max(1, PIECE // len(truths))
    (tx, ty), (tw, th) = truths.T[:2, :, None], truths.T[2:, :, None]  # each (T, 1)
    lo_x, hi_x, lo_y, hi_y, t_area = tx - tw / 2, tx + tw / 2, ty - th / 2, ty + th / 2, tw * th
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(predicted), step):
            x, y, w, h = predicted[start : start + step].T
            inter = np.minimum(x + w / 2, hi_x)  # (T, step)
            inter -= np.maximum(x - w / 2, lo_x)
            np.maximum(inter, 0, out=inter)
            down = np.minimum(y + h / 2, hi_y)
            down -= np.maximum(y - h / 2, lo_y)
            np.maximum(down, 0, out=down)
            inter *= down
            np.add(w * h, t_area, out=down)
            down -= inter
            inter /= down
            np.fmax(best[start : start + step], np.fmax.reduce(inter, axis=0), out=best[start : start + step])
    return best
