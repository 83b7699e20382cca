"""The demonstration with training: learn drawn shapes from nothing, measure, detect, and leave a picture.

``run("demo-out")`` writes there, all together or not at all:

- ``detections.png``, freshly drawn scenes with what the network found in them;
- ``weights.safetensors``, the network's parameters and running statistics;
- ``scene.png`` and ``shapes.names``, one of those scenes and the names of the classes, for ``minidet detect``;
- ``metrics.json``, average precision per class on held-out scenes, the loss at every step, times;
- ``config.json``, everything that the run followed from.

The scenes, the initial parameters and the order of the batches follow from the seed alone, and the network is trained
with one BLAS thread.  With the same versions of Python and NumPy, the same BLAS and processor, two runs give the same
weights bit for bit; otherwise sums are rounded in another order, and the runs drift apart like two of different seeds.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from minidet_kernels.masks import decode, encode

from .autograd import Tensor, no_grad
from .boxes.convert import clip
from .data.shapes import NAMES, Scene, ShapesDataset
from .detect import choose, detect
from .detections import Detections
from .errors import InputError
from .metrics import Evaluation, Found, Truth, evaluate
from .models import build
from .train.batches import batches, to_input
from .train.loop import fit
from .train.optim import AdamW, decay_groups
from .train.progress import progress
from .train.schedule import warmup_cosine
from .train.threads import blas_threads
from .train.yolo import YoloLoss
from .train.yolo_assign import YoloGrid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from .models.blocks import Detector

FILES = ("detections.png", "weights.safetensors", "scene.png", "shapes.names", "metrics.json", "config.json")

#: Detections below this score do not count in the average precision.
LOWEST = 0.01

#: How many times finer than the network's input the scenes of the picture are drawn.
FINER = 3


@dataclass(frozen=True)
class Config:
    """What a run follows from; the defaults take about a minute of training on two cores."""

    seed: int = 0
    model: str = "yolov3-shapes"
    size: int = 96
    scenes: int = 2000
    held_out: int = 300
    steps: int = 600
    batch: int = 16
    learning_rate: float = 1.2e-2
    warmup: int = 50
    weight_decay: float = 5e-4
    ignore: float = 0.5
    nms: float = 0.45
    floor: float = 0.5


def run(out: str | Path = "demo-out", config: Config | None = None) -> int:
    """Train, evaluate, detect, write; 0, or 1 when the mean AP stays below ``config.floor``.

    Progress and messages go to standard error, the table of results and the names of the files to standard output.
    Raises ``InputError`` when ``out`` cannot be written to, before anything is computed.
    """
    from rich.console import Console

    from .commands.outputs import all_or_nothing, check_folder, save_picture
    from .weights import safetensors

    config, folder = config or Config(), Path(out)
    if config.steps < 1 or config.scenes < 1:
        raise InputError(f"the demo needs at least one step and one scene, found {config.steps} and {config.scenes}")
    check_folder(folder, FILES, [])
    console = Console(stderr=True)
    seconds: dict[str, float] = {}
    start = time.monotonic()

    def lap(what: str) -> None:
        nonlocal start
        now = time.monotonic()
        seconds[what], start = round(now - start, 2), now

    with blas_threads(1):
        training, held_out = draw_scenes(config, console)
        lap("draw")
        model, losses = learn(training, config, console)
        lap("train")
        result = measure(model, held_out, config)
        lap("evaluate")
        fresh = fresh_scenes(config)
        picture = mosaic(fresh, [seen(model, scene, config) for scene in fresh], config)
        lap("detect")

    metrics = {
        "ap50": _number(result.mean),
        "ap50_by_class": {name: _number(ap) for name, ap in zip(NAMES, result.ap, strict=True)},
        "truths": {name: int(n) for name, n in zip(NAMES, result.truths, strict=True)},
        "seconds": seconds,
        "loss": [round(loss, 5) for loss in losses],
    }
    with all_or_nothing(folder) as stage:
        safetensors.save(stage / "weights.safetensors", model, metadata={"model": config.model})
        save_picture(stage / "detections.png", picture)
        save_picture(stage / "scene.png", fresh[0].image)
        (stage / "shapes.names").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
        _write_json(stage / "metrics.json", metrics)
        _write_json(stage / "config.json", {**asdict(config), "classes": list(NAMES), "versions": _versions()})
    results = Console()
    results.print(_table(result, seconds["train"]))
    for name in FILES:
        results.print(f"wrote {folder / name}", soft_wrap=True, markup=False, highlight=False)
    command = (
        f"minidet detect {folder / 'scene.png'} --model {config.model} --weights {folder / 'weights.safetensors'} "
        f"--names {folder / 'shapes.names'}"
    )
    results.print(f"now try: {command}", soft_wrap=True, markup=False, highlight=False)
    if not result.mean >= config.floor:
        console.print(
            f"the network has not learned: its mean AP is {result.mean:.3f}, below {config.floor}; "
            "the files above show what it does",
            soft_wrap=True,
            highlight=False,
        )
        return 1
    return 0


def draw_scenes(config: Config, console: Console) -> tuple[list[Scene], list[Scene]]:
    """The scenes to train on and those held out, which have another seed and so are none of them."""
    training = ShapesDataset(config.scenes, seed=2 * config.seed, size=config.size)
    held_out = ShapesDataset(config.held_out, seed=2 * config.seed + 1, size=config.size)
    drawn: list[Scene] = []
    with progress("drawing scenes", len(training) + len(held_out), console) as report:
        for scene in (*training, *held_out):
            drawn.append(scene)
            report(len(drawn), "")
    return drawn[: len(training)], drawn[len(training) :]


def learn(scenes: Sequence[Scene], config: Config, console: Console) -> tuple[Detector, list[float]]:
    """A network trained on these scenes, and the loss at every step."""
    model: Any = build(config.model, classes=len(NAMES), size=config.size, rng=config.seed)
    loss = YoloLoss(YoloGrid.of(model), ignore=config.ignore)
    optimiser = AdamW(decay_groups(model, config.weight_decay), lr=config.learning_rate)

    def rate(step: int) -> float:
        warmup = min(config.warmup, config.steps - 1)
        return warmup_cosine(step, total=config.steps, peak=config.learning_rate, warmup=warmup)

    with progress("training", config.steps, console) as report:
        losses = fit(
            model, loss, batches(scenes, config.batch, seed=config.seed), optimiser,
            steps=config.steps, schedule=rate, report=report,
        )  # fmt: skip
    model.eval()
    return model, losses


def measure(model: Detector, scenes: Sequence[Scene], config: Config) -> Evaluation:
    """Average precision on these scenes, of the best class of each box, cut to the picture."""
    found = []
    for first in range(0, len(scenes), config.batch):
        part = scenes[first : first + config.batch]
        with no_grad():
            heads = model(Tensor(to_input([scene.image for scene in part])))
        for candidates in model.candidates([head.data for head in heads], model.size):
            boxes, scores = np.asarray(candidates.boxes), np.asarray(candidates.scores)
            kept, labels = choose(boxes, scores, score=LOWEST, nms=config.nms, labels="best")
            inside = clip(boxes[kept], model.size)
            found.append(Found(inside, scores[kept, labels], labels))
    return evaluate(found, [Truth(scene.boxes, scene.labels) for scene in scenes], len(NAMES))


def fresh_scenes(config: Config, *, count: int = 8) -> list[Scene]:
    """Scenes for the picture, ``FINER`` times as wide and high as the network's input."""
    side = FINER * config.size
    return list(ShapesDataset(count, seed=2 * config.seed + 1, size=side, shapes=(2, 5), noise=0.0))


def small_picture(scene: Scene, config: Config) -> np.ndarray:
    """A scene ``FINER`` times as large as the network's input, averaged down to it: uint8 (size, size, 3)."""
    blocks = scene.image.reshape(config.size, FINER, config.size, FINER, 3).mean(axis=(1, 3))
    return np.rint(blocks).astype(np.uint8)


def seen(model: Detector, scene: Scene, config: Config) -> Detections:
    """What a network finds in a scene brought to its size, in pixels of that size."""
    return detect(model, small_picture(scene, config), score=0.5, nms=config.nms, names=NAMES, labels="best")


def mosaic(scenes: Sequence[Scene], found: Sequence[Detections], config: Config, *, columns: int = 4) -> np.ndarray:
    """A sheet of scenes ``FINER`` times as large as the network's input, with what was found: uint8 (H, W, 3).

    ``found`` are in pixels of the network's input, and drawn at the scene's own.
    """
    side, gap = FINER * config.size, 6
    rows = -(-len(scenes) // columns)
    sheet = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 255, dtype=np.uint8)
    for i, (scene, small) in enumerate(zip(scenes, found, strict=True)):
        masks = None
        if small.masks is not None:  # each pixel becomes a square
            masks = encode(decode(small.masks).repeat(FINER, axis=1).repeat(FINER, axis=2))
        large = Detections(small.boxes * FINER, small.scores, small.labels, NAMES, (side, side), None, masks)
        y, x = (gap + k * (side + gap) for k in divmod(i, columns))
        sheet[y : y + side, x : x + side] = large.draw(scene.image)
    return sheet


def _table(result: Evaluation, seconds: float) -> Table:
    from rich.table import Table

    table = Table(title=f"held-out scenes, {seconds:.0f} s of training", title_justify="left", min_width=42)
    table.add_column("class")
    table.add_column("objects", justify="right")
    table.add_column("AP at IoU 0.5", justify="right")
    for name, n, ap in zip(NAMES, result.truths, result.ap, strict=True):
        table.add_row(name, str(n), f"{ap:.3f}")
    table.add_section()
    table.add_row("mean", str(result.truths.sum()), f"{result.mean:.3f}")
    return table


def _number(ap: float) -> float | None:
    """For JSON, which has no NaN: a class without truths has no AP."""
    return None if np.isnan(ap) else round(float(ap), 6)


def _versions() -> dict[str, str]:
    from . import __version__

    python = sys.version.split()[0]
    return {"minidet": __version__, "numpy": np.__version__, "python": python, "machine": platform.machine()}


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
