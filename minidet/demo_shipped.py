"""The demonstration that needs no training: shipped weights find the shapes in scenes drawn just now.

``show("demo-out")`` writes there, all together or not at all:

- ``detections.png``, the scenes with what the network found in them;
- ``scene.png``, one of them as it is, for ``minidet detect``;
- ``detections.json``, what was found and what is there.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from minidet_kernels.table import pin

from .commands.outputs import all_or_nothing, check_folder, save_picture
from .data.shapes import Scene
from .demo import FINER, Config, fresh_scenes, mosaic, small_picture
from .detect import detect
from .detections import Detections
from .metrics import match
from .weights.shipped import load, shipped

if TYPE_CHECKING:
    from rich.table import Table

FILES = ("detections.png", "scene.png", "detections.json")

#: The shipped weights of shapes, the first of which it uses by default, and the score from which a detection counts.
WEIGHTS, SCORE = ("shapes", "shapes-ssd", "shapes-mask-rcnn"), 0.5

#: Implementations that need no compiling, which takes longer than eight small pictures do.
PLAIN = {
    "conv2d": "im2col",
    "batched_nms": "sweep",
    "leaky_relu": "whole",
    "resize": "definition",
    "iou_matrix": "blocks",
}

#: Scenes are drawn from seeds from here on; training and its held-out scenes are drawn from small ones.
SEEDS = 1_000_000


def show(out: str | Path = "demo-out", seed: int | None = None, *, count: int = 8, weights: str = WEIGHTS[0]) -> int:
    """Draw ``count`` scenes, detect, write; 0, or 1 when less than half of the shapes were found.

    ``weights`` is one of ``WEIGHTS``; the scenes are drawn for the size of its network's input.  Without a ``seed``
    they are drawn from one that differs from run to run; it is printed.
    """
    from rich.console import Console

    folder, console = Path(out), Console()
    check_folder(folder, FILES, [])
    if seed is None:
        seed = time.time_ns() // 1_000_000 % 1_000_000
    entry = shipped(weights)
    model = load(weights)
    config = Config(seed=SEEDS + seed, model=entry.model, size=entry.size[0], nms=entry.nms)
    scenes = fresh_scenes(config, count=count)
    labels = "multi" if hasattr(model, "roi_heads") else "best"  # two stages have no choice
    with pin(**PLAIN):
        small = [
            detect(model, small_picture(s, config), score=SCORE, nms=config.nms, names=entry.classes, labels=labels)
            for s in scenes
        ]
        right = [hits(found, scene) for found, scene in zip(small, scenes, strict=True)]
    document = {
        "weights": weights,
        "seed": seed,
        "score": SCORE,
        "scenes": [
            {"found": json.loads(f.to_json()), "truths": _truths(s)} for f, s in zip(small, scenes, strict=True)
        ],
    }
    with all_or_nothing(folder) as stage:
        save_picture(stage / "detections.png", mosaic(scenes, small, config))
        save_picture(stage / "scene.png", scenes[0].image)
        (stage / "detections.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    shapes, found = sum(len(s.labels) for s in scenes), sum(len(f) for f in small)
    console.print(_table(scenes, small, right, entry.classes))
    for name in FILES:
        console.print(f"wrote {folder / name}", soft_wrap=True, markup=False, highlight=False)
    told = (
        f"{sum(right)} of {shapes} shapes found, {found - sum(right)} detections of nothing; scenes of --seed {seed}",
        f"now try: minidet detect {folder / 'scene.png'} --model {weights}",
        "or learn it on this machine, in about a minute: minidet demo --train",
    )
    for line in told:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return 0 if 2 * sum(right) >= shapes else 1


def hits(found: Detections, scene: Scene) -> int:
    """How many detections are right: of the class and at IoU .5 or more of a shape each."""
    boxes, total = np.asarray(found.boxes, np.float64) * FINER, 0
    for label in np.unique(found.labels).tolist():
        mine, theirs = found.labels == label, scene.labels == label
        total += int((match(boxes[mine], found.scores[mine], scene.boxes[theirs]) >= 0).sum())
    return total


def _truths(scene: Scene) -> list[dict[str, object]]:
    return [
        {"label": int(label), "box": (box / FINER).tolist()}
        for box, label in zip(scene.boxes, scene.labels, strict=True)
    ]


def _table(scenes: list[Scene], found: list[Detections], right: list[int], names: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(title="freshly drawn scenes, shipped weights", title_justify="left", min_width=42)
    for column in ("class", "shapes", "found"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for label, name in enumerate(names):
        there = sum(int((s.labels == label).sum()) for s in scenes)
        table.add_row(name, str(there), str(sum(int((np.asarray(f.labels) == label).sum()) for f in found)))
    table.add_section()
    table.add_row("all", str(sum(len(s.labels) for s in scenes)), f"{sum(len(f) for f in found)}, {sum(right)} right")
    return table
