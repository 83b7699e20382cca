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
        action = judge(Defect(kind, *where(int(i)), _describe(kind, boxes[i], sides[i])))
        if action == "swap":
            boxes[i] = np.concatenate([np.minimum(boxes[i, :2], boxes[i, 2:]), np.maximum(boxes[i, :2], boxes[i, 2:])])
        elif action == "clip":
            boxes[i] = np.clip(boxes[i], 0, sides[i])
            keep[i] = (boxes[i, 2:] > boxes[i, :2]).all()
        elif action == "drop":
            keep[i] = False
    return boxes, keep


def _describe(kind: str, box: np.ndarray, sides: np.ndarray) -> str:
    edges = " ".join(f"{edge:.6g}" for edge in box)
    if kind == "inverted":
        return f"a box with x1 <= x2 and y1 <= y2 was expected, found the edges {edges}"
    if kind == "zero-area":
        return f"a box with an area was expected, found the edges {edges}"
    return f"a box inside the picture of {sides[0]:g}x{sides[1]:g} was expected, found the edges {edges}"
