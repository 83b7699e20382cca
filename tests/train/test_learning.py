"""A small network learns a few scenes by heart: model, loss, gradients and optimiser together."""

from __future__ import annotations

import numpy as np

from minidet.data.shapes import NAMES, ShapesDataset
from minidet.demo import Config, measure
from minidet.models import build
from minidet.train.batches import batches
from minidet.train.loop import fit
from minidet.train.optim import SGD, AdamW, decay_groups
from minidet.train.schedule import warmup_cosine
from minidet.train.yolo import YoloLoss
from minidet.train.yolo_assign import YoloGrid

SCENES = list(ShapesDataset(4, seed=6, size=64, noise=0.0, shapes=(2, 3), extent=(0.3, 0.55)))


def learn(steps: int, make_optimiser, peak: float, seed: int = 0):
    model = build("yolov3-shapes", classes=len(NAMES), size=64, width=8, rng=seed)
    losses = fit(
        model,
        YoloLoss(YoloGrid.of(model), ignore=0.5),
        batches(SCENES, 4, seed=seed, augment=False),
        make_optimiser(model),
        steps=steps,
        schedule=lambda step: warmup_cosine(step, total=steps, peak=peak, warmup=10),
    )
    return model.eval(), losses


def test_four_scenes_are_learned_by_heart():
    model, losses = learn(80, lambda m: AdamW(decay_groups(m, 1e-4), lr=0.0), 0.01)
    assert losses[-1] < 0.25 * losses[0]
    assert measure(model, SCENES, Config(size=64)).mean > 0.9


def test_without_training_nothing_is_found():
    """The same measure of the untrained network, so that the test above is known to show something."""
    model = build("yolov3-shapes", classes=len(NAMES), size=64, width=8, rng=0).eval()
    assert measure(model, SCENES, Config(size=64)).mean < 0.2


def test_sgd_learns_too():
    _, losses = learn(60, lambda m: SGD(m.parameters(), lr=0.0, momentum=0.9), 0.01)
    assert losses[-1] < 0.5 * losses[0]


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    runs = [learn(12, lambda m: AdamW(decay_groups(m, 1e-4), lr=0.0), 0.01) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
    first, second = (model.state_dict() for model, _ in runs)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    other, _ = learn(12, lambda m: AdamW(decay_groups(m, 1e-4), lr=0.0), 0.01, seed=1)
    assert not all(np.array_equal(first[name], value) for name, value in other.state_dict().items())
