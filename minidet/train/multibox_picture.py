"""A picture of SSD's matching and mining: which prior took which truth, and which negatives were mined.

One panel for each map, the finest first, each the network's input enlarged, with the map's cells where they are not too
small to tell apart:

- a truth is a frame in the colour of its class, thick and with its number where a prior of the map answers for it,
  else thin;
- a prior that answers is a black frame, with a dot of the class's colour in its cell, one place for each box of the
  cell; a ring around the dot says that it was forced;
- a mined negative is a red cross in its cell, at the place of its box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..draw import class_colour
from .assignment_sheet import check_picture, enlarged, grid_lines, paled, scale_of, sheet, tag, words
from .multibox_rows import MultiboxTable, PriorRow, TruthRow
from .truths import Truths

CROSS = (230, 30, 30)
#: The least side of a panel, and of a cell whose borders are drawn.
LEAST, CELL = 320, 12


def draw_multibox(
    image: np.ndarray, table: MultiboxTable, truths: Truths, *, index: int = 0, names: Sequence[str] | None = None
) -> np.ndarray:
    """The panels side by side, uint8 (H, W, 3), for image ``index`` of the batch that was matched.

    ``image`` uint8 (h, w, 3) is the network's input, of ``table.size``; ``truths`` are that image's.  Raises
    ``ValueError`` for an image of another size and for an index that the table does not have.
    """
    from PIL import Image, ImageDraw

    check_picture(image, table.size, index, len(table.targets.matches))
    scale = scale_of(table.size, LEAST)
    ground, panels = np.rint(paled(enlarged(image, scale))).astype(np.uint8), []
    all_truths = [row for row in table.truths if row.image == index]
    for k, (h, w) in enumerate(table.cells):
        positives, mined = (
            [row for row in rows if row.image == index and row.map == k] for rows in (table.positives, table.mined)
        )
        panel = Image.fromarray(ground)
        _panel(ImageDraw.Draw(panel), panel.size, (h, w), table.boxes[k], all_truths, positives, mined, scale)
        forced = sum(row.forced for row in positives)
        panels.append((f"map {k}: {h} x {w}; {len(positives)} answer, {forced} forced; {len(mined)} mined", panel))
    return sheet(panels, words(truths.labels, names))


def _panel(
    canvas: Any, size: tuple[int, int], cells: tuple[int, int], boxes: int, truths: Sequence[TruthRow],
    positives: Sequence[PriorRow], mined: Sequence[PriorRow], scale: int,
) -> None:  # fmt: skip
    """Frames, dots, rings and crosses of one map; ``size`` is the panel's (width, height)."""
    if min(size[0] // cells[1], size[1] // cells[0]) >= CELL:
        grid_lines(canvas, size, *cells)
    answered = {row.truth for row in positives}
    for truth in truths:
        width = max(3, scale) if truth.truth in answered else 1
        canvas.rectangle(np.multiply(truth.bounds, scale).tolist(), outline=class_colour(truth.label), width=width)
    for row in positives:
        canvas.rectangle(np.multiply(row.bounds, scale).tolist(), outline=(0, 0, 0))
    for row in mined:
        x, y = _place(row, size, cells, boxes)
        canvas.line((x - 2, y - 2, x + 2, y + 2), fill=CROSS)
        canvas.line((x + 2, y - 2, x - 2, y + 2), fill=CROSS)
    for row in positives:
        x, y = _place(row, size, cells, boxes)
        if row.forced:
            canvas.ellipse((x - 5, y - 5, x + 5, y + 5), outline=(0, 0, 0))
        canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=class_colour(row.label), outline=(0, 0, 0))
    for truth in truths:
        if truth.truth in answered:
            x1, y1, _, _ = np.multiply(truth.bounds, scale)
            tag(canvas, (max(x1, 0) + 3, max(y1, 0) + 2), str(truth.truth), class_colour(truth.label))


def _place(row: PriorRow, size: tuple[int, int], cells: tuple[int, int], boxes: int) -> tuple[float, float]:
    """Where the mark of a prior stands: in its cell, box after box from left to right."""
    (width, height), (h, w) = size, cells
    return (row.column + (row.box + 1) / (boxes + 1)) * width / w, (row.row + 0.5) * height / h
