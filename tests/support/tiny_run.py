"""A run small enough for tests: drawn shapes of 32 x 32, a thin network, a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minidet.train import assemble, config
from minidet.train.trainer import Trainer

TINY = {
    "run": {"epochs": 3},
    "model": {"name": "yolov3-shapes", "size": 32, "options": {"width": 2}},
    "data": {"path": "shapes:6:4", "batch": 2, "workers": 0},
    "augment": {"steps": [{"name": "horizontal_flip"}, {"name": "brightness"}]},
    "optimiser": {"lr": 0.01, "clip_norm": 100.0},
    "evaluate": {"every": 1},
    "keep": {"checkpoint": 0.0, "plots": False},
}


def settings(**changes) -> config.Config:
    """The tiny run's settings, with other values as ``table__key=value``."""
    base = config.from_dict(TINY)
    for name, value in changes.items():
        table, key = name.split("__")
        base = config.from_dict({table: {key: value}}, base=base)
    return base


def trainer(folder: Path, **changes) -> Trainer:
    """A trainer of the tiny run."""
    settings_ = settings(**changes)
    return Trainer(assemble.parts_of(settings_, assemble.open_splits(settings_)), folder)


def weights(trainer: Trainer) -> dict[str, np.ndarray]:
    """Copies of the parameters and buffers, averages and moments."""
    parts = trainer.parts
    found = {f"model/{name}": a.copy() for name, a in parts.model.state_dict().items()}
    if parts.ema is not None:
        found |= {f"ema/{name}": a.copy() for name, a in parts.ema.state.items()}
    named = dict(parts.model.named_parameters())
    return found | {f"optimiser/{name}": a.copy() for name, a in parts.optimiser.state(named).items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether two collections of arrays are equal, bit for bit."""
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)
