"""What a box can have wrong, looked for in all boxes at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..policy import Defect, Judge


def sift(
    boxes: np.ndarray,
    sizes: np.ndarray,
    judge: Judge,
    where: Callable[[int], tuple[str, int]],
    *,
    zero: np.ndarray | None = None,
    tolerance: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes as the judge wants them, (N, 4) edges, and which of them to keep, (N,) bool.

    ``sizes`` (N, 2) are H and W of their pictures, 0 0 where not known; ``where(i)`` is the file and line of box i;
    ``zero`` (N,) which boxes are without area as they are written, where edges do not tell.  Beyond the picture means
    by more than ``tolerance`` of its sides.  A box has at most one defect, the first of inverted, without area, and out
    of bounds.
    """
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    inverted = (width < 0) | (height < 0)
    empty = (width == 0) | (height == 0)
    if zero is not None:
        empty |= zero
    sides = np.asarray(sizes, np.float64).reshape(-1, 2)[:, [1, 0, 1, 0]]  # W H W H
    slack = tolerance * sides
    outside = ((boxes < -slack) | (boxes > sides + slack)).any(axis=1) & (sides > 0).all(axis=1)
    keep = np.ones(len(boxes), bool)
    for i in np.flatnonzero(inverted | empty | outside):
        kind = "inverted" if inverted[i] else "zero-area" if empty[i] else "out-of-bounds"
        what = _describe(kind, boxes[i], sides[i])
        if kind == "zero-area" and (boxes[i, 2:] > boxes[i, :2]).all():
            what += ", the first and the last pixel in one row or column"
        action = judge(Defect(kind, *where(int(i)), what))
        if action == "swap":
            boxes[i] = np.concatenate([np.minimum(boxes[i, :2], boxes[i, 2:]), np.maximum(boxes[i, :2], boxes[i, 2:])])
        elif action == "clip":
            boxes[i] = np.clip(boxes[i], 0, sides[i])
            keep[i] = (boxes[i, 2:] > boxes[i, :2]).all()
        elif action == "drop":
            keep[i] = False
    return boxes, keep


def twice(
    boxes: np.ndarray, labels: np.ndarray, pictures: np.ndarray, judge: Judge, where: Callable[[int], tuple[str, int]]
) -> None:
    """Tell the judge of every box that another of its picture and class was before; nothing is done about them."""
    rows = np.concatenate([np.reshape(boxes, (-1, 4)), np.reshape(labels, (-1, 1)), np.reshape(pictures, (-1, 1))], 1)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    before = first[which.reshape(-1)]
    for i in np.flatnonzero(before != np.arange(len(rows))):
        line = where(int(before[i]))[1]
        what = f"the box {' '.join(f'{edge:.6g}' for edge in boxes[i])} of that class is there already"
        judge(Defect("duplicate-box", *where(int(i)), f"{what} (line {line})" if line else what))


def _describe(kind: str, box: np.ndarray, sides: np.ndarray) -> str:
    edges = " ".join(f"{edge:.6g}" for edge in box)
    if kind == "inverted":
        return f"a box with x1 <= x2 and y1 <= y2 was expected, found the edges {edges}"
    if kind == "zero-area":
        return f"a box with an area was expected, found the edges {edges}"
    return f"a box inside the picture of {sides[0]:g}x{sides[1]:g} was expected, found the edges {edges}"
