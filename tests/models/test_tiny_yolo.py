"""The small YOLOv3 for drawn shapes."""

from __future__ import annotations

import numpy as np
import pytest

from minidet import Tensor, no_grad
from minidet.models import build


@pytest.mark.parametrize(("size", "classes"), [((96, 96), 5), ((32, 48), 2)])
def test_shapes_of_its_maps_and_candidates(size, classes):
    model = build("yolov3-shapes", classes=classes, size=size, width=4, rng=0).eval()
    with no_grad():
        heads = model(Tensor(np.zeros((2, 3, *size), np.float32)))
    assert [h.shape for h in heads] == [(2, 5 + classes, size[0] // s, size[1] // s) for s in (16, 8)]
    found = model.candidates([h.data for h in heads])
    count = sum(h.shape[2] * h.shape[3] for h in heads)
    assert [(c.boxes.shape, c.scores.shape) for c in found] == [((count, 4), (count, classes))] * 2


def test_it_begins_by_doubting_that_there_is_anything():
    model = build("yolov3-shapes", classes=3, width=8, rng=0)
    x = np.random.default_rng(0).random((4, 3, 96, 96), dtype=np.float32)
    with no_grad():
        heads = model(Tensor(x))
    objectness = np.concatenate([h.data[:, 4].ravel() for h in heads])
    assert np.median(objectness) == pytest.approx(-4, abs=0.5)


def test_every_parameter_has_a_gradient():
    model = build("yolov3-shapes", classes=3, width=4, size=32, rng=0)
    rng = np.random.default_rng(1)
    heads = model(Tensor(rng.random((4, 3, 32, 32), dtype=np.float32)))
    for head in heads:
        head.backward(rng.normal(size=head.shape).astype(np.float32), retain_graph=True)
    without = [name for name, p in model.named_parameters() if p.grad is None or not np.abs(p.grad).max() > 1e-6]
    assert not without


def test_the_seed_decides():
    def first(rng: int) -> np.ndarray:
        return build("yolov3-shapes", width=4, rng=rng).state_dict()["stem.conv.weight"]

    assert np.array_equal(first(3), first(3))
    assert not np.array_equal(first(3), first(4))


def test_a_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiples of 16"):
        build("yolov3-shapes", size=100)
