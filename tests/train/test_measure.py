"""A network measured: the same boxes as ``minidet.detect`` finds, and AP by COCO's rules without empty truths."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_run import trainer

from minidet.data.dataset import Dataset, Objects, Record
from minidet.detect import detect
from minidet.metrics import by_rules
from minidet.metrics.columns import FoundColumns, TruthColumns, as_columns
from minidet.train.feed import DrawnDataset
from minidet.train.measure import RULES, found_in, measure, score_of


@pytest.mark.parametrize("placement", ["stretch", "letterbox"])
def test_what_it_finds_is_what_detect_finds(tmp_path, placement):
    model = trainer(tmp_path).parts.model.eval()
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((32, 32), (20, 50), (61, 33)))
    records = tuple(
        Record(str(i), image.shape[:2], i, Objects(np.zeros((0, 4)), np.zeros(0))) for i, image in enumerate(images)
    )
    dataset = DrawnDataset(".", ("a",) * 5, records, images=images)
    found = list(found_in(model, dataset, placement=placement, score=0.003, nms=0.5, batch=2))
    assert len(found) == 3
    for image, (boxes, scores, labels) in zip(images, found, strict=True):
        alone = detect(model, image, score=0.003, nms=0.5, placement=placement, names=tuple("abcde"))
        assert len(boxes) == len(alone.boxes) > 0
        assert np.abs(boxes - alone.boxes).max() < 1e-3
        assert np.abs(scores - alone.scores).max() < 1e-5
        assert (labels == alone.labels).all()


def test_a_network_that_gives_no_numbers_finds_nothing(tmp_path):
    run = trainer(tmp_path)
    run.parts.model.stem.conv.weight.data[:] = np.nan
    score = run.parts.measure(run.parts.model)
    assert score.ap50 == 0.0


numbers = st.integers(0, 6).map(float)


@settings(max_examples=30)
@given(st.data())
def test_ap_is_that_of_the_readable_evaluator(data):
    n = data.draw(st.integers(0, 8))
    m = data.draw(st.integers(0, 8))

    def boxes(count):
        return np.asarray([[data.draw(numbers) for _ in range(4)] for _ in range(count)]).reshape(-1, 4)

    def drawn(count, most):
        return [data.draw(st.integers(0, most)) for _ in range(count)]

    truths = TruthColumns(
        3, 2, **as_columns(
            image=drawn(n, 2), label=drawn(n, 1), boxes=boxes(n), area=[np.nan] * n, crowd=[False] * n,
            difficult=[False] * n, ids=range(n),
        ),
    )  # fmt: skip
    found = FoundColumns(**as_columns(
        image=drawn(m, 2), label=drawn(m, 1), boxes=boxes(m), scores=[s / 4 for s in drawn(m, 4)]
    ))  # fmt: skip
    mine, theirs = score_of(truths, found, 3), by_rules.evaluate(truths, found, RULES)
    same = np.testing.assert_equal
    same(mine.ap50, theirs.ap(0.5))
    same(mine.ap, theirs.ap())
    same(mine.by_class, tuple(theirs.ap(0.5, label=k) for k in range(2)))
    empty = int((~(truths.boxes[:, 2:] > 0).all(axis=1)).sum())
    assert (mine.truths, mine.dropped) == (n - empty, empty + 3)


def test_images_count_in_the_order_of_their_numbers(tmp_path):
    """Records in another order give the same figure, though equal scores are ranked by the images' numbers."""
    model = trainer(tmp_path).parts.model
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(4)]
    records = [
        Record(str(i), (32, 32), i, Objects(np.array([[4.0, 4, 20 + i, 20]]), np.array([i % 2]))) for i in range(4)
    ]

    def figure(order):
        dataset: Dataset = DrawnDataset(
            ".", ("a",) * 5, tuple(records[i] for i in order), images=tuple(images[i] for i in order)
        )
        return measure(model, dataset, batch=1)

    np.testing.assert_equal(asdict(figure([0, 1, 2, 3])), asdict(figure([2, 0, 3, 1])))
