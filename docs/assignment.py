"""Draw the pictures of assignments in docs/yolo_loss.md and docs/ssd.md: ``python -m docs.assignment``.

``--check`` only compares.  A drawn scene, the anchors of YOLOv3's small form for it, and heads that already point
nearly right, so that some predictions are ignored; and another scene with the priors of the small SSD, and a fresh
network.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from minidet.autograd import Tensor, no_grad
from minidet.data.shapes import NAMES, ShapesDataset
from minidet.models import build
from minidet.train.assignment_picture import draw_assignment
from minidet.train.batches import to_input
from minidet.train.multibox import MultiboxLoss
from minidet.train.multibox_picture import draw_multibox
from minidet.train.multibox_rows import multibox_table
from minidet.train.yolo import YoloLoss
from minidet.train.yolo_assign import Truths, YoloGrid

IMAGES = Path(__file__).resolve().parent / "images"


def scene() -> tuple[np.ndarray, YoloGrid, YoloLoss, list[Tensor], list[Truths]]:
    """The picture, the grid, a loss in which anchors above an IoU of .5 answer too, the heads, and the truths."""
    drawn = ShapesDataset(40, seed=5, size=96)[3]
    truths = [Truths.from_pixels(drawn.boxes, drawn.labels, (96, 96))]
    near = truths[0].boxes[:1] + np.array([0.01, 0, 0, 0])  # one more, which meets the first: same shape, nearly there
    truths = [Truths(np.concatenate([truths[0].boxes, near]), np.append(truths[0].labels, truths[0].labels[0]))]
    grid = YoloGrid(((36, 36), (48, 40), (19, 19), (26, 22)), ((0, 1), (2, 3)), (96, 96), len(NAMES))
    rng = np.random.default_rng(0)
    heads = [Tensor(rng.normal(0, 0.3, (1, 2 * (5 + len(NAMES)), n, n))) for n in (6, 12)]
    return drawn.image, grid, YoloLoss(grid, ignore=0.5, iou_thresh=0.6), heads, truths


def yolo() -> np.ndarray:
    """What docs/images/assignment.png shows."""
    image, grid, loss, heads, truths = scene()
    return draw_assignment(image, loss.assign(heads, truths), grid, truths[0], names=NAMES)


def ssd() -> np.ndarray:
    """What docs/images/ssd_assignment.png shows."""
    drawn, size = ShapesDataset(40, seed=5, size=128)[13], (128, 128)
    truths = Truths.from_pixels(drawn.boxes, drawn.labels, size)
    model: Any = build("ssd-small", classes=len(NAMES), size=size, rng=0).eval()
    with no_grad():
        maps = [raw.data for raw in model(Tensor(to_input([drawn.image])))]
    table = multibox_table(MultiboxLoss(model.boxes, size), maps, [truths])
    return draw_multibox(drawn.image, table, truths, names=NAMES)


PICTURES = {"assignment.png": yolo, "ssd_assignment.png": ssd}


def stale(name: str) -> bool:
    """Whether the kept picture differs in over a hundredth of its pixels: versions of Pillow draw letters apart."""
    from PIL import Image

    kept, now = np.array(Image.open(IMAGES / name).convert("RGB")), PICTURES[name]()
    return kept.shape != now.shape or bool((kept != now).any(axis=2).mean() > 0.01)


def main() -> int:
    """Write the pictures, or say whether they are as the code draws them."""
    from PIL import Image

    if "--check" in sys.argv[1:]:
        old = [name for name in PICTURES if stale(name)]
        for name in PICTURES:
            print(f"{name} is {'not as the code draws it: python -m docs.assignment' if name in old else 'as drawn'}")
        return int(bool(old))
    for name, draw in PICTURES.items():
        Image.fromarray(draw()).save(IMAGES / name, optimize=True)
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
