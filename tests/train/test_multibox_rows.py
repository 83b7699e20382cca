"""The table of SSD's matching and mining says what the loss does, and the picture says what the table says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.autograd import Tensor
from minidet.boxes.convert import cxcywh_to_xyxy
from minidet.boxes.priors import shapes
from minidet.boxes.ssd import SsdBoxes, SsdHead
from minidet.draw import class_colour
from minidet.train.assignment_sheet import GAP, TITLE
from minidet.train.multibox import MultiboxLoss
from minidet.train.multibox_picture import CROSS, draw_multibox
from minidet.train.multibox_rows import multibox_table
from minidet.train.truths import Truths

SIZE = (32, 64)
BOXES = SsdBoxes((SsdHead(shapes(8, 16, (2,)), 8), SsdHead(shapes(16, None), 16)), 3)
CELLS = ((4, 8), (2, 4))
NONE = Truths(np.zeros((0, 4)), np.zeros(0, np.int64))


def maps(images: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((images, a * n, h, w)) for n in (4, 4) for a, (h, w) in zip((4, 1), CELLS, strict=True)]


@st.composite
def truths(draw) -> Truths:
    count = draw(st.integers(0, 4))
    side, centre = st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.2, 0.5, 0.85, 1.0])
    boxes = [[draw(centre), draw(centre), draw(side), draw(side)] for _ in range(count)]
    labels = [draw(st.integers(0, 2)) for _ in range(count)]
    return Truths(np.array(boxes, float).reshape(-1, 4), np.array(labels, np.int64))


@given(
    batch=st.lists(truths(), min_size=1, max_size=3),
    options=st.sampled_from([{}, {"forced": "bipartite"}, {"shortage": "twice", "ratio": 9.0}, {"fewest": 3}]),
    seed=st.integers(0, 9),
)
def test_the_rows_are_what_the_loss_adds_up(batch, options, seed):
    loss, raw = MultiboxLoss(BOXES, SIZE, **options), maps(len(batch), seed)
    table = multibox_table(loss, raw, batch)
    found = table.targets
    assert {(r.image, r.prior) for r in table.positives} == set(zip(*map(list, found.positive.nonzero()), strict=True))
    assert {(r.image, r.prior) for r in table.mined} == set(zip(*map(list, found.mined.nonzero()), strict=True))
    total = sum(r.loss * r.times for r in (*table.positives, *table.mined))
    wanted = loss.terms([Tensor(m) for m in raw], batch)["classes"].item()
    assert total / max(len(table.positives), 1) == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    corners = cxcywh_to_xyxy(found.priors) * ([SIZE[1], SIZE[0]] * 2)
    for row in (*table.positives, *table.mined):
        h, w = CELLS[row.map]
        assert row.row < h
        assert row.prior == row.map * 4 * 32 + (row.row * w + row.column) * table.boxes[row.map] + row.box
        assert row.bounds == tuple(corners[row.prior])
        if row.truth >= 0:
            assert row.label == batch[row.image].labels[row.truth]
    for one in table.truths:
        own = [r for r in table.positives if (r.image, r.truth) == (one.image, one.truth)]
        assert (one.priors, one.forced) == (len(own), sum(r.forced for r in own))
        assert one.iou == max((r.iou for r in own), default=0)
    for image in range(len(batch)):
        own = [r for r in table.mined if r.image == image]
        assert [r.rank for r in own] == list(range(len(own)))
        assert all(a.loss >= b.loss for a, b in pairwise(own))


def panel(sheet: np.ndarray, k: int, height: int, width: int) -> np.ndarray:
    left = GAP + k * (width + GAP)
    return sheet[TITLE : TITLE + height, left : left + width].astype(int)


def count(part: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((part == colour).all(axis=2).sum())


IMAGE = np.full((*SIZE, 3), 128, np.uint8)
SCALE = 10  # the least that makes 32 reach 320
HEIGHT, WIDTH = SIZE[0] * SCALE, SIZE[1] * SCALE


def test_the_picture_has_a_dot_for_each_answer_and_a_cross_for_each_mined():
    """One truth that the coarse map's prior in row 1, column 2 takes; its best prior is that one, and by force."""
    one = Truths(np.array([[2.5 / 4, 1.5 / 2, 16 / 64, 16 / 32]]), np.array([1]))
    table = multibox_table(MultiboxLoss(BOXES, SIZE, threshold=0.9, ratio=2.0), maps(1), [one])
    (row,) = table.positives
    assert (row.map, row.row, row.column, row.forced, row.iou) == (1, 1, 2, True, 1.0)
    sheet = draw_multibox(IMAGE, table, one)
    fine, coarse = (panel(sheet, k, HEIGHT, WIDTH) for k in (0, 1))
    dot = coarse[240 - 3 : 240 + 4, 400 - 3 : 400 + 4]
    assert count(dot, class_colour(1)) > 15
    ring = coarse[240 - 6 : 240 + 7, 400 - 6 : 400 + 7]
    assert count(ring, (0, 0, 0)) > count(dot, (0, 0, 0)) + 8
    assert 0 < count(fine, class_colour(1)) < count(coarse, class_colour(1)), "a thin frame where nobody answers"
    assert len(table.mined) == 2
    for mined in table.mined:
        h, w = CELLS[mined.map]
        x = round((mined.column + (mined.box + 1) / (table.boxes[mined.map] + 1)) * WIDTH / w)
        y = round((mined.row + 0.5) * HEIGHT / h)
        mark = (fine, coarse)[mined.map][y - 3 : y + 4, x - 3 : x + 4]
        assert count(mark, CROSS) >= 5
    assert count(fine, CROSS) + count(coarse, CROSS) <= 2 * 12


def test_a_picture_of_another_image_of_the_batch_and_of_names():
    one = Truths(np.array([[0.5, 0.5, 0.5, 0.5]]), np.array([2]))
    table = multibox_table(MultiboxLoss(BOXES, SIZE), maps(2), [NONE, one])
    empty, full = draw_multibox(IMAGE, table, NONE), draw_multibox(IMAGE, table, one, index=1)
    assert count(empty, class_colour(2)) == 0 < count(full, class_colour(2))
    assert draw_multibox(IMAGE, table, one, index=1, names=["a", "b", "c"]).shape[0] == full.shape[0] + TITLE
    with pytest.raises(ValueError, match="image 2 of 2"):
        draw_multibox(IMAGE, table, one, index=2)
    with pytest.raises(ValueError, match="an image of"):
        draw_multibox(IMAGE[:, :32], table, one)
