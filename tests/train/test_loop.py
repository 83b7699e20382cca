"""The training loop, its batches and its progress."""

from __future__ import annotations

import io
from itertools import islice

import numpy as np
import pytest
from rich.console import Console

from minidet import functions as F
from minidet.data.shapes import Scene, ShapesDataset, mask_boxes
from minidet.nn import Module, Parameter
from minidet.train.batches import batches, mirrored, to_input
from minidet.train.loop import fit
from minidet.train.optim import SGD
from minidet.train.progress import progress


class Line(Module):
    """``a x``."""

    def __init__(self) -> None:
        self.a = Parameter(np.zeros(()))

    def forward(self, x):
        return F.mul(self.a, x)


def squares(y, truths):
    return F.sum(F.power(F.sub(y, np.asarray(truths)), 2))


def test_fit_descends_and_reports():
    model, reports, rates = Line().eval(), [], []
    optimiser = SGD(model.parameters(), lr=1.0)

    def schedule(step: int) -> float:
        rates.append(step)
        return 0.25 / (step + 1)

    losses = fit(
        model,
        squares,
        iter([(np.ones(1), [2.0])] * 5),  # more than asked for
        optimiser,
        steps=3,
        schedule=schedule,
        report=lambda done, note: reports.append((done, note)),
    )
    # a: 0, then half way to 2, then by a quarter of what is left
    assert losses == [4.0, 1.0, 0.5625]
    assert model.a.item() == pytest.approx(2 - 0.75 * (1 - 1 / 6))
    assert rates == [0, 1, 2]
    assert [done for done, _ in reports] == [1, 2, 3]
    assert reports[0][1] == "loss 4.00"
    assert model.training


def test_fit_stops_at_a_loss_that_is_not_finite_before_using_it():
    model = Line()
    model.a.data[...] = 1.5
    steps = iter([(np.ones(1), [1.5]), (np.ones(1), [np.inf]), (np.ones(1), [0.0])])
    with pytest.raises(FloatingPointError, match="inf at step 1"):
        fit(model, squares, steps, SGD(model.parameters(), lr=0.1), steps=3)
    assert model.a.item() == 1.5


def test_fit_says_when_the_batches_run_out():
    model = Line()
    with pytest.raises(ValueError, match="after 1 of 2 steps"):
        fit(model, squares, [(np.ones(1), [1.0])], SGD(model.parameters(), lr=0.1), steps=2)


def small_scenes(count: int) -> list[Scene]:
    return list(ShapesDataset(count, seed=4, size=40))


def test_batches_are_a_function_of_the_seed():
    scenes = small_scenes(5)

    def first(seed: int) -> list:
        return [(x, [t.boxes for t in truths]) for x, truths in islice(batches(scenes, 3, seed=seed), 4)]

    for (a, s), (b, t) in zip(first(1), first(1), strict=True):
        assert np.array_equal(a, b)
        assert all(np.array_equal(u, v) for u, v in zip(s, t, strict=True))
    assert not np.array_equal(first(1)[0][0], first(2)[0][0])


def test_every_scene_is_used_once_in_each_round():
    scenes = small_scenes(7)
    inputs = to_input([s.image for s in scenes])
    drawn = np.concatenate([x for x, _ in islice(batches(scenes, 3, augment=False), 7)])
    which = [int(np.flatnonzero((inputs == x).all(axis=(1, 2, 3)))[0]) for x in drawn]
    for part in range(3):
        assert sorted(which[7 * part : 7 * part + 7]) == list(range(7))
    assert which[:7] != which[7:14], "each round in another order"


def test_to_input():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    x = to_input([image])
    assert x.shape == (1, 3, 2, 4)
    assert x.dtype == np.float32
    assert x[0, 1, 1, 2] == np.float32(image[1, 2, 1]) / np.float32(255)


def test_a_mirrored_box_bounds_the_mirrored_mask():
    for scene in small_scenes(10):
        truth = scene.boxes.astype(np.float64) / 40
        boxes = np.stack(
            [(truth[:, 0] + truth[:, 2]) / 2, (truth[:, 1] + truth[:, 3]) / 2, *(truth[:, 2:] - truth[:, :2]).T], 1
        )
        before = boxes.copy()
        image, flipped = mirrored(scene.image, boxes)
        assert np.array_equal(boxes, before)
        assert np.array_equal(image[:, 0], scene.image[:, -1])
        expected = mask_boxes(scene.masks[:, :, ::-1]) / 40
        got = np.stack([flipped[:, 0] - flipped[:, 2] / 2, flipped[:, 0] + flipped[:, 2] / 2], axis=1)
        assert np.abs(got - expected[:, [0, 2]]).max(initial=0) < 1e-6


def test_augmented_batches_keep_the_multiset_of_labels_and_sizes():
    scenes = small_scenes(6)
    (x, truths), *_ = islice(batches(scenes, 6), 1)
    assert sorted(np.concatenate([t.labels for t in truths])) == sorted(np.concatenate([s.labels for s in scenes]))
    assert x.sum() == pytest.approx(to_input([s.image for s in scenes]).sum(), rel=1e-5)


def test_no_batches_from_nothing():
    with pytest.raises(ValueError, match="at least one"):
        next(batches([], 2))


def test_progress_without_a_terminal_prints_ten_plain_lines():
    text = io.StringIO()
    with progress("training", 50, Console(file=text, width=40)) as report:
        for done in range(1, 51):
            report(done, f"loss {done}")
    lines = text.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("training 5/50, loss 5, ")
    assert lines[0].endswith(" s left")
    assert "\x1b" not in text.getvalue()


def test_progress_on_a_terminal_shows_a_bar_and_the_time_left():
    text = io.StringIO()
    with progress("training", 4, Console(file=text, force_terminal=True, width=100)) as report:
        for done in range(1, 5):
            report(done, f"loss {done}")
    assert "training" in text.getvalue()
    assert "4/4" in text.getvalue()
    assert "loss 4" in text.getvalue()
    assert "left" in text.getvalue()
