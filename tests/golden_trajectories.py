"""Fifty steps of training, kept as numbers: for whoever writes minidet, or a part of it, again.

``python -m tests.golden_trajectories`` computes every trajectory anew and writes ``tests/train/golden/*.json``; with
names of models, those alone; ``--check`` only compares; ``--export FOLDER`` writes for each an ``.npz`` of pictures,
truths, the order of the batches and initial parameters, which is all that another framework needs.

Everything is a function of what the JSON says: scenes drawn from a seed, batches in a fixed order, no augmentation.
Computed in float64, so that the order of sums does not matter.  ``band`` says how far a run in float64 may be off, and
each trajectory's ``float32`` how far one in float32: four times what ours was off, which has been rounded another way
at every step.  docs/golden_trajectories.md tells how to use them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from minidet import functions as F
from minidet.autograd import Tensor
from minidet.darknet import DarknetNetwork
from minidet.data.shapes import NAMES, ShapesDataset
from minidet.models import build
from minidet.nn import init
from minidet.train.batches import to_input
from minidet.train.multibox import MultiboxLoss
from minidet.train.optim import SGD, AdamW, Optimiser, decay_groups
from minidet.train.schedule import warmup_cosine
from minidet.train.yolo import YoloLoss
from minidet.train.yolo_assign import Truths, YoloGrid

FOLDER = Path(__file__).resolve().parent / "train" / "golden"
STEPS, BATCH, SIZE, SCENES, SEED, WARMUP = 50, 4, 64, 12, 7, 5

#: Largest relative difference of a loss or norm from a run in float64 that is still the same run.
BAND = 1e-6


@dataclass(frozen=True)
class Rule:
    """An optimiser with its options, and the loss that it is shown with."""

    optimiser: str
    options: dict[str, float]
    loss: dict[str, Any] = field(default_factory=dict)


RULES = {
    "sgd": Rule("SGD", {"lr": 2e-4, "momentum": 0.9, "weight_decay": 5e-4}),
    "adamw": Rule(
        "AdamW",
        {"lr": 5e-4, "weight_decay": 5e-2},
        {"box": "ciou", "box_gain": 3.0, "iou_thresh": 0.4, "ignore": 0.5, "label_smoothing": 0.1},
    ),
}

#: Options of each model, small enough for a laptop to take all fifty steps in seconds.
MODELS: dict[str, dict[str, Any]] = {
    "yolov3": {"width": 1 / 8},
    "yolov3-spp": {"width": 1 / 8},
    "yolov3-tiny": {"width": 1 / 8},
    "yolov3-small": {"width": 1 / 4},
    "yolov3-shapes": {"width": 4},
    "tiny.cfg": {},
    "ssd300": {"width": 1 / 16},
    "ssd512": {"width": 1 / 32},
    "ssd-small": {"width": 1 / 4},
    "ssd-mobilenet": {"width": 1 / 8},
    "ultraface-rfb-320": {"width": 1 / 4},
    "ultraface-slim-320": {"width": 1 / 4},
}
#: Networks without one: what the heads of an R-CNN learn from is chosen by the network itself, so that rounding, of
#: which these files allow much, changes what is learned.  Their step is held against torchvision's with fixed choices.
TWO_STAGES = {"faster-rcnn-r50-fpn", "mask-rcnn-r50-fpn", "keypoint-rcnn-r50-fpn", "mask-rcnn-r18-fpn-small"}
#: Sides of the inputs that are not `SIZE`.
SIDES = {"ssd300": 300, "ssd512": 512}


def network(name: str) -> Any:
    """The model with its parameters drawn from the seed."""
    if name.endswith(".cfg"):
        init.seed(SEED)
        model: Any = DarknetNetwork(FOLDER / name)
    else:
        side = SIDES.get(name, SIZE)
        model = build(name, classes=len(NAMES), size=side, rng=np.random.default_rng(SEED), **MODELS[name])
    return model.train()


def loss_of(model: Any, options: dict[str, Any]) -> YoloLoss | MultiboxLoss:
    """The loss of the model's kind; of an SSD's the defaults."""
    return MultiboxLoss(model.boxes, model.size) if hasattr(model, "boxes") else YoloLoss(YoloGrid.of(model), **options)


def scenes(side: int = SIZE) -> tuple[np.ndarray, list[Truths]]:
    """The pictures (S, side, side, 3) uint8 and their truths."""
    drawn = list(ShapesDataset(SCENES, seed=SEED, size=side))
    return np.stack([s.image for s in drawn]), [Truths.from_pixels(s.boxes, s.labels, (side, side)) for s in drawn]


def order() -> np.ndarray:
    """Which scenes each batch has: int (50, 4); one after the other, round and round."""
    return np.arange(STEPS * BATCH).reshape(STEPS, BATCH) % SCENES


def rule_of(rule: Rule, model: Any) -> Optimiser:
    """Filters decay; biases and batch norm's scales do not."""
    groups = decay_groups(model, rule.options["weight_decay"])
    rest = {k: v for k, v in rule.options.items() if k != "weight_decay"}
    return SGD(groups, **rest) if rule.optimiser == "SGD" else AdamW(groups, **rest)  # type: ignore[arg-type]


def run(name: str, rule: Rule, *, dtype: Any = np.float64, steps: int = STEPS) -> dict[str, Any]:
    """The trajectory: numbers before each step (lr, loss and parts, norms), and norms by name at the end."""
    model = network(name).astype(dtype)
    optimiser, loss = rule_of(rule, model), loss_of(model, rule.loss)
    images, truths = scenes(model.size[0])
    parts = ("locations", "classes") if hasattr(model, "boxes") else ("box", "objectness", "classes")
    keys = ("lr", "loss", *parts, "gradient", "weights")
    rows: dict[str, list[float]] = {key: [] for key in keys}
    for step, chosen in enumerate(order()[:steps]):
        lr = warmup_cosine(step, total=STEPS, peak=rule.options["lr"], warmup=WARMUP)
        optimiser.set_lr(lr)
        optimiser.zero_grad()
        heads = model(Tensor(to_input(list(images[chosen])).astype(dtype)))
        terms = loss.terms(heads, [truths[i] for i in chosen])
        total = reduce(F.add, (terms[part] for part in parts))
        total.backward()
        parameters = model.parameters()
        values = {"lr": lr, "loss": total.item(), **{part: t.item() for part, t in terms.items()}}
        values |= {"gradient": norm(p.grad for p in parameters), "weights": norm(p.data for p in parameters)}
        for key, value in values.items():
            rows[key].append(float(value))
        optimiser.step()
    return {**rows, "end": {key: norm([a]) for key, a in model.state_dict().items()}}


def norm(arrays: Any) -> float:
    """The root of the sum of all squares."""
    return float(np.sqrt(sum(float(np.square(np.asarray(a, np.float64)).sum()) for a in arrays if a is not None)))


def document(name: str) -> dict[str, Any]:
    """What the file of a model says."""
    return {
        "what": "loss and norms of 50 training steps; see tests/golden_trajectories.py",
        "model": name,
        "options": MODELS[name],
        "parameters": int(sum(p.size for p in network(name).parameters())),
        "data": {
            "scenes": f"ShapesDataset({SCENES}, seed={SEED}, size={SIDES.get(name, SIZE)})",
            "input": "uint8 / 255, (N, 3, H, W), RGB",
            "batches": f"step i takes scenes (i * {BATCH} + 0 ... {BATCH - 1}) modulo {SCENES}",
            "parameters": f"numpy.random.default_rng({SEED}), drawn in float32",
        },
        "schedule": f"warmup_cosine(step, total={STEPS}, peak=lr, warmup={WARMUP})",
        "decay": "filters (more than one axis) decay; biases and batch norm's scales do not",
        "band": BAND,
        "trajectories": {key: trajectory(name, rule) for key, rule in RULES.items()},
    }


def trajectory(name: str, rule: Rule) -> dict[str, Any]:
    """The run in float64, and how far one in float32 may be off."""
    golden = run(name, rule)
    return {
        "optimiser": rule.optimiser,
        "options": rule.options,
        "loss_options": {} if name.startswith("ssd") else rule.loss,
        "float32": float32_bands(golden, run(name, rule, dtype=np.float32)),
        **golden,
    }


def float32_bands(golden: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Four times the largest relative difference of each row, to one digit."""
    most: dict[str, float] = {}
    for where, difference in differences(golden, other):
        key = where.split()[0]
        most[key] = max(most.get(key, 0.0), difference)
    return {key: float(f"{max(4 * most[key], 1e-6):.0e}") for key in ("loss", "gradient", "weights")}


def differences(golden: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Where, and by how much relative to the golden number, two trajectories differ; as many steps as both have."""
    for key, values in golden.items():
        if key == "end":
            if len(other["loss"]) == len(golden["loss"]):
                for name, value in values.items():
                    yield f"end of {name}", _relative(other["end"][name], value)
        elif key in other and isinstance(values, list):
            for step, (mine, theirs) in enumerate(zip(values, other[key], strict=False)):
                yield f"{key} at step {step}", _relative(theirs, mine)


def _relative(found: float, expected: float) -> float:
    return abs(found - expected) / max(abs(expected), 1e-3)


def read(name: str) -> dict[str, Any]:
    """The kept document of a model."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def rounded(value: Any) -> Any:
    """Numbers to ten digits, far beyond the bands, so that files are small."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def export(name: str, folder: Path) -> Path:
    """An .npz of all that a trajectory begins from; parameters are named ``initial/NAME``."""
    model = network(name)
    images, truths = scenes(model.size[0])
    counts = [len(t.labels) for t in truths]
    arrays = {
        "images": images,
        "order": order(),
        "truth_scene": np.repeat(np.arange(len(truths)), counts),
        "truth_boxes": np.concatenate([t.boxes for t in truths]),
        "truth_labels": np.concatenate([t.labels for t in truths]),
    }
    arrays |= {f"initial/{key}": a for key, a in model.state_dict().items()}
    if hasattr(model, "boxes"):
        maps = model(Tensor(np.zeros((1, 3, *model.size), np.float32)))[: len(model.heads)]
        arrays["priors"] = model.boxes.priors([raw.shape[2:] for raw in maps], model.size)
    else:
        grid = YoloGrid.of(model)
        arrays |= {"anchors": np.array(grid.anchors), "masks": np.array(grid.masks)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Write, check or export; 1 when a check fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden_trajectories", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)} (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with the kept files, write nothing")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write .npz files of what the runs begin from")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(MODELS))
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}; there are {', '.join(MODELS)}")
    worst = 0.0
    for name in given.names or MODELS:
        if given.export:
            print(f"wrote {export(name, given.export)}")
        elif given.check:
            kept, now = read(name), document(name)
            for key, golden in kept["trajectories"].items():
                where, most = max(differences(golden, now["trajectories"][key]), key=lambda pair: pair[1])
                print(f"{name:14} {key:6} {most:.1e} ({where})")
                worst = max(worst, most)
        else:
            text = json.dumps(rounded(document(name)), indent=1)
            (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            print(f"wrote {name}.json")
    return int(worst > BAND)


if __name__ == "__main__":
    sys.exit(main())
