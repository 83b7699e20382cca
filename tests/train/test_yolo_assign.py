"""Who answers for which truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.boxes.yolo import YoloHead
from minidet.models import build
from minidet.train.yolo_assign import Truths, YoloGrid, assign, best_overlap, centred_iou, decode_boxes

GRID = YoloGrid(((8, 8), (16, 16), (32, 32), (48, 24)), ((2, 3), (0, 1)), (64, 64), 3)


def empty(images: int = 1, fill: float = -3.0) -> list[np.ndarray]:
    return [np.full((images, 16, 4, 4), fill), np.full((images, 16, 8, 8), fill)]


def truths(*rows) -> list[Truths]:
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return [Truths(table[:, :4], table[:, 4].astype(int))]


def only(assignment):
    (row,) = assignment.rows
    return row


def test_a_truth_goes_to_the_anchor_of_its_shape_and_the_cell_of_its_centre():
    row = only(assign(empty(), truths((0.3, 0.6, 16 / 64, 16 / 64, 2)), GRID))
    assert row[:7] == (0, 0, 2, 1, 4, 2, 1)  # image, truth, label, head, row, column, anchor
    assert row.iou == 1.0
    row = only(assign(empty(), truths((0.3, 0.6, 45 / 64, 24 / 64, 0)), GRID))
    assert (row.head, row.row, row.column, row.anchor) == (0, 2, 1, 3)
    assert row.iou == pytest.approx(45 / 48)


def test_targets_of_one_truth():
    assignment = assign(empty(), truths((0.3, 0.6, 20 / 64, 12 / 64, 2)), GRID)
    head = assignment.heads[1]
    assert head.target[0, 1, :, 4, 2] == pytest.approx([0.4, 0.8, np.log(20 / 16), np.log(12 / 16), 1, 0, 0, 1])
    assert head.box_weight[0, 1, 0, 4, 2] == pytest.approx(2 - 20 * 12 / 64**2)
    for array in (head.box_weight, head.class_weight):
        assert np.count_nonzero(array) == 1
    assert (head.objectness_weight == 1).all()
    assert not assignment.heads[0].target.any()


def test_a_network_need_not_be_square():
    wide = YoloGrid(((32, 16), (16, 32)), ((0, 1),), (64, 128), 1)  # 64 high, 128 wide
    heads = [np.full((1, 12, 4, 8), -3.0)]
    row = only(assign(heads, truths((0.3, 0.6, 32 / 128, 16 / 64, 0)), wide))
    assert row[3:7] == (0, 2, 2, 0)  # head, row, column, anchor
    assert row.iou == 1.0
    row = only(assign(heads, truths((0.3, 0.6, 16 / 128, 32 / 64, 0)), wide))
    assert (row.anchor, row.iou) == (1, 1.0)


def test_the_first_of_equally_good_anchors_wins():
    grid = YoloGrid(((16, 16), (32, 8), (16, 16)), ((0, 1, 2),), (64, 64), 1)
    row = only(assign([np.zeros((1, 18, 4, 4))], truths((0.5, 0.5, 16 / 64, 16 / 64, 0)), grid))
    assert row.anchor == 0
    iou = centred_iou(np.array([[0.25, 0.25]]), np.array([[0.5, 0.25], [0.25, 0.5], [0.125, 0.25]]))
    assert iou.tolist() == [[0.5, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("x", "y", "column", "row"), [(1, 1, 7, 7), (0, 0, 0, 0), (1, 0.5, 7, 4), (0.125, 0.9999, 1, 7)]
)
def test_centres_on_the_border(x, y, column, row):
    assignment = assign(empty(), truths((x, y, 8 / 64, 8 / 64, 0)), GRID)
    found = only(assignment)
    assert (found.column, found.row) == (column, row)
    offset = assignment.heads[1].target[0, 0, :2, row, column]
    assert offset == pytest.approx([x * 8 - column, y * 8 - row])
    assert ((offset >= 0) & (offset <= 1)).all()


def test_a_later_truth_overwrites_the_box_but_not_the_class():
    two = truths((0.3, 0.6, 16 / 64, 16 / 64, 0), (0.31, 0.61, 17 / 64, 16 / 64, 2))
    both = assign(empty(), two, GRID)
    assert [r.overwritten_by for r in both.rows] == [1, -1]
    assert both.overwritten == 1
    target = both.heads[1].target[0, 1, :, 4, 2]
    assert target == pytest.approx([0.31 * 8 - 2, 0.61 * 8 - 4, np.log(17 / 16), 0, 1, 1, 0, 1])
    assert both.heads[1].box_weight.max() == pytest.approx(2 - 17 * 16 / 64**2)
    last = assign(empty(), two, GRID, collision="last").heads[1].target[0, 1, :, 4, 2]
    assert last[5:].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="collision"):
        assign(empty(), two, GRID, collision="first")


def test_three_that_meet_are_each_overwritten_by_the_next():
    three = truths(*[(0.3, 0.6, 0.25, 0.25, c) for c in range(3)])
    assert [r.overwritten_by for r in assign(empty(), three, GRID).rows] == [1, 2, -1]


def test_the_same_place_in_two_images_does_not_meet():
    one = truths((0.3, 0.6, 0.25, 0.25, 0))
    assert assign(empty(2), one + one, GRID).overwritten == 0


def test_an_anchor_of_both_heads_answers_twice_and_one_of_none_not_at_all():
    """YOLOv3-tiny's masks are 3, 4, 5 and 1, 2, 3."""
    anchors = ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319))
    grid = YoloGrid(anchors, ((3, 4, 5), (1, 2, 3)), (416, 416), 1)
    heads = [np.full((1, 18, 13, 13), -3.0), np.full((1, 18, 26, 26), -3.0)]
    small, middle = (0.5, 0.5, 10 / 416, 14 / 416, 0), (0.2, 0.2, 81 / 416, 82 / 416, 0)
    assignment = assign(heads, truths(small, middle), grid)
    assert [(r.truth, r.head, r.anchor) for r in assignment.rows] == [(0, -1, 0), (1, 0, 3), (1, 1, 3)]
    assert [np.count_nonzero(h.class_weight) for h in assignment.heads] == [1, 1]
    assert assignment.heads[1].class_weight[0, 2].any()
    assert "no head has the anchor" in str(assignment)


def test_good_predictions_of_nobody_are_ignored():
    heads = empty()
    raw = heads[1].reshape(1, 2, 8, 8, 8)
    raw[0, :, :4] = -20  # elsewhere specks that overlap nothing
    heads[0][:] = -20
    raw[0, 1, :4, 4, 2] = 0  # 16 x 16 in the middle of its cell: the prediction that will answer
    raw[0, 1, :4, 4, 3] = -4, 0, 0, 0  # its neighbour's box lies at the left end of its cell, 3.86 pixels further
    truth = truths(((2.5) / 8, 4.5 / 8, 16 / 64, 16 / 64, 0))
    shift = 8 * (0.5 + 1 / (1 + np.exp(4)))
    iou = (16 - shift) / (16 + shift)
    assert 0.5 < iou < 0.7
    strict = assign(heads, truth, GRID, ignore=iou - 1e-9)
    assert strict.ignored == (0, 1)
    assert strict.heads[1].ignored[0, 1, 4, 3]
    assert strict.heads[1].objectness_weight[0, 1, 0, 4, 3] == 0
    assert not strict.heads[1].ignored[0, 1, 4, 2], "the answering prediction is never ignored"
    assert strict.heads[1].objectness_weight[0, 1, 0, 4, 2] == 1
    assert assign(heads, truth, GRID, ignore=iou + 1e-9).ignored == (0, 0)


def test_an_iou_of_exactly_the_threshold_is_not_ignored():
    boxes = decode_boxes(np.zeros((1, 1, 6, 1, 1)), np.array([[32.0, 32.0]]), (64, 64)).reshape(-1, 4)
    assert boxes.tolist() == [[0.5, 0.5, 0.5, 0.5]]
    assert best_overlap(boxes, np.array([[0.5, 0.5, 0.5, 0.25], [0.0, 0.0, 0.1, 0.1]])).tolist() == [0.5]
    grid = YoloGrid(((32, 32), (32, 16)), ((0,),), (64, 64), 1)
    assert assign([np.zeros((1, 6, 1, 1))], truths((0.5, 0.5, 0.5, 0.25, 0)), grid, ignore=0.5).ignored == (0,)


def test_overflowing_predictions_overlap_nothing():
    for t in (800.0, -800.0, 400.0):
        boxes = decode_boxes(np.full((1, 1, 6, 2, 2), t), np.array([[8.0, 8.0]]), (64, 64)).reshape(-1, 4)
        assert (best_overlap(boxes, np.array([[0.5, 0.5, 0.5, 0.5]])) < 1e-9).all()
    assert assign([np.full((1, 16, 4, 4), 800.0), np.full((1, 16, 8, 8), -800.0)], truths(), GRID).ignored == (0, 0)


def test_the_table_prints_every_truth():
    text = str(assign(empty(), truths((0.3, 0.6, 0.25, 0.25, 0), (0.3, 0.6, 0.25, 0.25, 1)), GRID))
    assert len(text.splitlines()) == 4
    assert "(4, 2)" in text
    assert "1 overwritten" in text


def test_from_pixels():
    boxes, labels = Truths.from_pixels(np.array([[0, 10, 20, 30]], np.float32), np.array([1]), (40, 80))
    assert boxes.tolist() == [[0.125, 0.5, 0.25, 0.5]]
    assert labels.tolist() == [1]
    assert Truths.from_pixels(np.zeros((0, 4)), np.zeros(0, int), (40, 80)).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((1.01, 0.5, 0.1, 0.1, 0), "truth 0 of image 0"),
        ((-0.01, 0.5, 0.1, 0.1, 0), "centre in"),
        ((0.5, 0.5, 0.0, 0.1, 0), "size in"),
        ((0.5, 0.5, 0.1, 1.1, 0), "size in"),
        ((np.nan, 0.5, 0.1, 0.1, 0), "truth 0 of image 0"),
        ((0.5, 0.5, 0.1, 0.1, 3), r"range\(3\)"),
        ((0.5, 0.5, 0.1, 0.1, -1), r"range\(3\)"),
    ],
)
def test_wrong_truths_are_refused(row, says):
    with pytest.raises(ValueError, match=says):
        assign(empty(), truths(row), GRID)


def test_what_does_not_fit_is_refused():
    good = truths((0.5, 0.5, 0.1, 0.1, 0))
    with pytest.raises(ValueError, match="1 head maps for 2 masks"):
        assign(empty()[:1], good, GRID)
    with pytest.raises(ValueError, match="head 0 has shape"):
        assign(empty(2), good, GRID)
    with pytest.raises(ValueError, match="expected \\(T, 4\\)"):
        assign(empty(), [Truths(np.zeros((1, 5)), np.zeros(1, int))], GRID)
    with pytest.raises(ValueError, match="integers in"):
        assign(empty(), [Truths(good[0].boxes, np.zeros(1))], GRID)
    with pytest.raises(ValueError, match="different anchors"):
        YoloGrid(((1, 1),), ((0, 0),), (64, 64), 1)
    with pytest.raises(ValueError, match="different anchors"):
        YoloGrid(((1, 1),), ((1,),), (64, 64), 1)


def test_inputs_are_left_alone():
    heads, mine = empty(), truths((0.3, 0.6, 0.25, 0.25, 0))
    before = [h.copy() for h in heads], mine[0].boxes.copy()
    assign(heads, mine, GRID)
    assert all(np.array_equal(a, b) for a, b in zip(heads, before[0], strict=True))
    assert np.array_equal(mine[0].boxes, before[1])


def test_the_grid_of_a_model_numbers_its_anchors_head_after_head():
    model = build("yolov3-tiny", classes=3, size=(96, 64), width=0.05, rng=0)
    grid = YoloGrid.of(model)
    assert grid.anchors == model.heads[0].anchors + model.heads[1].anchors
    assert grid.masks == ((0, 1, 2), (3, 4, 5))
    assert (grid.size, grid.classes) == ((96, 64), 3)
    model.heads = tuple(replace(head, scale_x_y=1.05) for head in model.heads)
    with pytest.raises(ValueError, match="scale_x_y"):
        YoloGrid.of(model)


@given(st.integers(0, 2**32 - 1))
def test_boxes_are_decoded_as_for_detection(seed):
    """The boxes that are compared with the truths are those that the detector would give."""
    rng = np.random.default_rng(seed)
    head = YoloHead(((8.0, 12.0), (30.0, 20.0)), 3)
    raw = rng.normal(0, 2, (2, head.channels, 3, 4))
    boxes, _ = head.decode(raw, (48, 64))
    mine = decode_boxes(raw.reshape(2, 2, 8, 3, 4), np.array(head.anchors), (48, 64))
    x, y, w, h = np.moveaxis(mine.transpose(0, 2, 3, 1, 4).reshape(2, -1, 4), 2, 0)  # cells, then anchors
    corners = np.stack([(x - w / 2) * 64, (y - h / 2) * 48, (x + w / 2) * 64, (y + h / 2) * 48], axis=2)
    assert np.abs(corners - boxes).max() <= 1e-6 * np.abs(corners).max()  # the detector's boxes are float32
