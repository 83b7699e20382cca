"""A picture of an assignment: which truth went to which cell and anchor of each head, what was ignored, overwritten.

One panel for each head, coarsest first as the heads are, each the network's input enlarged, with the head's cells:

- a truth is a frame in the colour of its class, with its number where a head answers for it;
- the cell that answers is filled in that colour, and the answering anchor is a thin frame around the truth's centre;
- a cell whose answer a later truth overwrote is crossed out, and the earlier truth's number stands in brackets;
- a dot in a cell says that a prediction there is ignored: nearly right, but another answers; one for each anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..draw import class_colour
from .assignment_sheet import check_picture, enlarged, grid_lines, paled, scale_of, sheet, tag, words
from .yolo_assign import Assignment, Row, Truths, YoloGrid

DOT, CROSS = (255, 255, 0), (230, 30, 30)


def draw_assignment(
    image: np.ndarray,
    assignment: Assignment,
    grid: YoloGrid,
    truths: Truths,
    *,
    index: int = 0,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """The panels side by side, uint8 (H, W, 3), for image ``index`` of the batch that was assigned.

    ``image`` uint8 (h, w, 3) is the network's input, of ``grid.size``; ``truths`` are that image's.  Raises
    ``ValueError`` for an image of another size and for an index that the assignment does not have.
    """
    from PIL import Image, ImageDraw

    check_picture(image, grid.size, index, len(assignment.heads[0].ignored))
    scale = scale_of(grid.size)
    large, panels = enlarged(image, scale), []
    for k, head in enumerate(assignment.heads):
        rows = [row for row in assignment.rows if row.image == index and row.head == k]
        panel, ignored = Image.fromarray(_filled(large, assignment, k, rows)), head.ignored[index]
        _panel(ImageDraw.Draw(panel), panel.size, ignored, rows, truths, grid, scale)
        h, w = ignored.shape[1:]
        panels.append((f"head {k}: {h} x {w} cells, {len(rows)} answers, {ignored.sum()} ignored", panel))
    return sheet(panels, words(truths.labels, names))


def _filled(large: np.ndarray, assignment: Assignment, k: int, rows: Sequence[Row]) -> np.ndarray:
    """The enlarged image, paled, with the answering cells of head ``k`` in their classes' colours."""
    pale = paled(large)
    h, w = assignment.heads[k].ignored.shape[2:]
    for row in rows:
        y, x = ((n * size // cells, (n + 1) * size // cells) for n, size, cells in
                ((row.row, large.shape[0], h), (row.column, large.shape[1], w)))  # fmt: skip
        pale[slice(*y), slice(*x)] = pale[slice(*y), slice(*x)] * 0.4 + 0.6 * np.array(class_colour(row.label))
    return np.rint(pale).astype(np.uint8)


def _panel(
    canvas: Any, size: tuple[int, int], ignored: np.ndarray, rows: Sequence[Row], truths: Truths, grid: YoloGrid,
    scale: int,
) -> None:  # fmt: skip
    """Grid, frames, numbers, crosses and dots of one head; ``ignored`` (A, h, w), ``size`` (width, height)."""
    anchors, h, w = ignored.shape
    width, height = size
    grid_lines(canvas, size, h, w)
    for a, j, i in np.argwhere(ignored).tolist():
        x, y = (i + (a + 1) / (anchors + 1)) * width / w, (j + 0.8) * height / h
        canvas.ellipse((x - 2, y - 2, x + 2, y + 2), fill=DOT, outline=(0, 0, 0))
    for row in rows:
        x, y, bw, bh = truths.boxes[row.truth] * [width, height, width, height]
        aw, ah = np.multiply(grid.anchors[row.anchor], scale)
        colour = class_colour(row.label)
        canvas.rectangle((x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2), outline=colour, width=max(2, scale))
        canvas.rectangle((x - aw / 2, y - ah / 2, x + aw / 2, y + ah / 2), outline=(0, 0, 0))
        cell = (row.column * width / w, row.row * height / h, (row.column + 1) * width / w, (row.row + 1) * height / h)
        if row.overwritten_by >= 0:
            canvas.line(cell, fill=CROSS, width=2)
            canvas.line((cell[2], cell[1], cell[0], cell[3]), fill=CROSS, width=2)
    for row in rows:
        gone = row.overwritten_by >= 0
        place = (row.column * width / w + 2, (row.row + (0.5 if gone else 0)) * height / h)
        tag(canvas, place, f"({row.truth})" if gone else str(row.truth), class_colour(row.label))
