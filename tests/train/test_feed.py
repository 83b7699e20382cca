"""Batches by their number: the same whenever they are asked for, with boxes as the loss takes them."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from minidet.data.augment import HorizontalFlip
from minidet.data.dataset import Objects, Record
from minidet.data.shapes import ShapesDataset
from minidet.train.feed import DrawnDataset, Feed, drawn, fixed, learnable

SCENES = drawn(ShapesDataset(5, seed=3, size=32))


def feed(**more):
    return Feed(SCENES, **{"size": fixed((32, 32)), "batch": 2, "seed": 1, "workers": 0, **more})


def equal(a, b):
    return (
        np.array_equal(a.inputs, b.inputs)
        and a.names == b.names
        and all(
            np.array_equal(x, y)
            for mine, its in zip(a.truths, b.truths, strict=True)
            for x, y in zip(mine, its, strict=True)
        )
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_is_a_function_of_its_number(workers):
    made = feed(transform=HorizontalFlip(), stop=5, size=lambda k: (32, 32) if k % 3 else (48, 64))
    first = list(islice(made.since(0), 9))
    for k in (0, 3, 4, 5, 6, 8):
        again = next(feed(transform=made.transform, stop=5, size=made.size, workers=workers).since(k))
        assert equal(again, first[k]), k
    assert [b.inputs.shape[2:] for b in first[:4]] == [(48, 64), (32, 32), (32, 32), (48, 64)]


def test_each_round_has_every_image_once_as_far_as_batches_are_full():
    made = feed()
    assert made.per_epoch == 2
    rounds = [[name for b in islice(made.since(2 * e), 2) for name in b.names] for e in range(4)]
    for names in rounds:
        assert len(names) == len(set(names)) == 4
    assert len({tuple(names) for names in rounds}) > 1
    assert [name for b in islice(feed(seed=2).since(0), 2) for name in b.names] != rounds[0]


def test_fewer_images_than_a_batch_are_a_batch():
    made = feed(batch=8)
    assert made.per_epoch == 1
    assert len(next(made.since(3)).inputs) == 5


def test_without_augmentation_from_where_it_stops():
    plain, mixed = feed(), feed(transform=HorizontalFlip(1.0), stop=3)
    for k, (a, b) in enumerate(zip(islice(plain.since(0), 6), islice(mixed.since(0), 6), strict=True)):
        assert a.names == b.names
        assert np.array_equal(a.inputs, b.inputs) == (k >= 3)
        if k < 3:
            assert np.allclose(a.inputs, b.inputs[..., ::-1])
    assert equal(next(mixed.since(4)), next(plain.since(4)))


def test_boxes_as_the_loss_takes_them():
    image = np.zeros((20, 40, 3), np.uint8)
    image[5:15, 10:30] = 255
    boxes = np.array([[10.0, 5, 30, 15], [0, 0, 40, 20], [-8, -8, 4, 4]])
    dataset = DrawnDataset(".", ("a", "b"), (Record("x", (20, 40), 0, Objects(boxes, [0, 1, 1])),), images=(image,))
    for placement, expected in (
        ("stretch", [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.05, 0.1, 0.1, 0.2]]),
        ("letterbox", [[0.5, 0.5, 0.5, 0.25], [0.5, 0.5, 1, 0.5], [0.05, 0.3, 0.1, 0.1]]),
    ):
        batch = next(Feed(dataset, fixed((32, 32)), 1, placement=placement, workers=0).since(0))
        (truths,) = batch.truths
        assert np.allclose(truths.boxes, expected)
        assert truths.labels.tolist() == [0, 1, 1]
        white = batch.inputs[0, 0] > 0.99
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        x, y, w, h = truths.boxes[0] * 32
        assert abs(columns[0] - (x - w / 2)) <= 1
        assert abs(columns[-1] + 1 - (x + w / 2)) <= 1
        assert abs(rows[0] - (y - h / 2)) <= 1


def test_what_is_not_learned():
    boxes = np.array([[0.0, 0, 5, 5], [1, 1, 1, 5], [2, 2, 9, 9], [3, 3, 8, 8], [5, 5, 4, 9]])
    objects = Objects(boxes, [0] * 5, crowd=[0, 0, 1, 0, 0], difficult=[0, 0, 0, 1, 0])
    dataset = DrawnDataset(".", ("a",), (Record("x", (10, 10), 0, objects),), images=(np.zeros((10, 10, 3), np.uint8),))
    kept = learnable(dataset)
    assert kept.records[0].objects.boxes.tolist() == [[0, 0, 5, 5], [3, 3, 8, 8]]
    assert learnable(dataset, difficult=False).records[0].objects.boxes.tolist() == [[0, 0, 5, 5]]
    assert kept.image(0).shape == (10, 10, 3)
