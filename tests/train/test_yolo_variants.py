"""The named variants of the YOLOv3 loss, and the assignment that is made all at once."""

from __future__ import annotations

from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train.test_yolo_loss import as_truths, cases, gradients

from minidet import Tensor
from minidet import functions as F
from minidet.gradcheck import gradcheck
from minidet.train import yolo_assign, yolo_assign_fast
from minidet.train.yolo import BOXES, YoloLoss
from minidet.train.yolo_assign import Truths, YoloGrid

OVERLAPS = BOXES[1:]
GRID = YoloGrid(((8, 8), (16, 16), (32, 32), (48, 24)), ((2, 3), (0, 1)), (64, 64), 3)


@given(cases(), st.sampled_from([0.7, 0.3]), st.sampled_from(["accumulate", "last"]), st.sampled_from([1, 0.4, 0.1]))
def test_all_at_once_is_the_definition_bit_for_bit(case, ignore, collision, iou_thresh):
    grid, heads, truths = case
    options = {"ignore": ignore, "collision": collision, "iou_thresh": iou_thresh}
    slow = yolo_assign.assign(heads, as_truths(truths), grid, **options)
    fast = yolo_assign_fast.assign(heads, as_truths(truths), grid, **options)
    assert fast.rows == slow.rows
    for a, b in zip(fast.heads, slow.heads, strict=True):
        for f in fields(a):
            one, other = getattr(a, f.name), getattr(b, f.name)
            assert one.dtype == other.dtype
            assert np.array_equal(one, other), f.name


def test_all_at_once_in_pieces_and_where_the_network_overflows(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(yolo_assign_fast, "PIECE", 20)  # five of the 27 at a time
    with np.errstate(over="ignore"):
        boxes = np.concatenate([np.zeros((2, 4)), rng.random((5, 4)) * [1, 1, np.inf, 1], rng.random((20, 4))])
    truths = np.concatenate([rng.random((3, 4)), boxes[-1:]])
    expected = yolo_assign.best_overlap(boxes, truths)
    assert np.array_equal(yolo_assign_fast.best_overlap(boxes, truths), expected)
    assert expected[-1] == pytest.approx(1)
    assert not yolo_assign_fast.best_overlap(boxes, truths[:0]).any()


@pytest.mark.parametrize("module", [yolo_assign, yolo_assign_fast])
def test_every_anchor_above_the_threshold_answers_and_the_best_always(module):
    heads = [np.full((1, 16, 4, 4), -3.0), np.full((1, 16, 8, 8), -3.0)]
    truths = [Truths(np.array([[0.3, 0.6, 0.25, 0.375]]), np.array([2]))]  # 16 x 24 pixels
    ious = [8 * 8 / (16 * 24), 16 * 16 / (16 * 24), 16 * 24 / 32**2, 16 * 24 / (48 * 24)]

    def answering(thresh: float) -> list[tuple[int, int]]:
        table = module.assign(heads, truths, GRID, iou_thresh=thresh)
        for row in table.rows:
            assert row.iou == pytest.approx(ious[row.anchor])
            assert table.heads[row.head].target[0, row.anchor % 2, 4, row.row, row.column] == 1
        return [(row.head, row.anchor) for row in table.rows]

    assert answering(1.0) == [(1, 1)]
    assert answering(0.7) == [(1, 1)], "the best answers even where none is above"
    assert answering(0.36) == [(0, 2), (1, 1)]
    assert answering(16 * 24 / 32**2) == [(1, 1)], "strictly above"
    assert answering(0.3) == [(0, 2), (0, 3), (1, 1)]
    assert answering(0.0) == [(0, 2), (0, 3), (1, 0), (1, 1)]


@pytest.mark.parametrize("kind", OVERLAPS)
def test_the_overlap_part_is_that_of_the_boxes(kind):
    """From the formulas: decode by hand, and one minus the overlap that the compiled matrices give."""
    from minidet_kernels.overlap import ciou_matrix, diou_matrix, giou_matrix, iou_matrix

    matrix = {"iou": iou_matrix, "giou": giou_matrix, "diou": diou_matrix, "ciou": ciou_matrix}[kind]
    rng = np.random.default_rng(1)
    heads = [Tensor(rng.normal(size=(2, 16, 4, 4))), Tensor(rng.normal(size=(2, 16, 8, 8)))]
    truths = [Truths(rng.uniform(0.2, 0.8, (3, 4)), np.array([0, 1, 2])), Truths(np.zeros((0, 4)), np.zeros(0, int))]
    loss = YoloLoss(GRID, box=kind, iou_thresh=0.4, normalise="sum", box_gain=0.5)
    expected = 0.0
    for row in loss.assign(heads, truths).rows:
        if row.overwritten_by >= 0:
            continue
        x, y, w, h = truths[0].boxes[row.truth] * 64
        t = heads[row.head].data.reshape(2, 2, 8, *heads[row.head].shape[2:])
        tx, ty, tw, th = t[row.image, GRID.masks[row.head].index(row.anchor), :4, row.row, row.column]
        cell = 64 / heads[row.head].shape[2]
        cx, cy = (row.column + 1 / (1 + np.exp(-tx))) * cell, (row.row + 1 / (1 + np.exp(-ty))) * cell
        bw, bh = np.exp([tw, th]) * GRID.anchors[row.anchor]
        mine, true = ([[cx - a / 2, cy - b / 2, cx + a / 2, cy + b / 2]] for a, b in ((bw, bh), (0, 0)))
        true = [[x - w / 2, y - h / 2, x + w / 2, y + h / 2]]
        expected += (2 - w * h / 64**2) * (1 - matrix(np.array(mine), np.array(true)).item())
    assert loss.terms(heads, truths)["box"].item() == pytest.approx(0.5 * expected, rel=1e-12)


def test_the_overlap_part_of_a_wide_network():
    """32 high and 96 wide in 1 x 2 cells: a truth that its prediction hits exactly has no loss, one below it has."""
    grid = YoloGrid(((24, 12),), ((0,),), (32, 96), 1)
    head = np.zeros((1, 6, 1, 2))
    head[0, 2:4, 0, 1] = np.log([2.0, 1.5])
    hit = Truths(np.array([[72 / 96, 16 / 32, 48 / 96, 18 / 32]]), np.array([0]))
    loss = YoloLoss(grid, box="iou")
    assert loss.terms([Tensor(head)], [hit])["box"].item() == pytest.approx(0, abs=1e-12)
    below = Truths(hit.boxes + np.array([0, 0.125, 0, 0]), hit.labels)  # 4 of 18 pixels
    assert loss.terms([Tensor(head)], [below])["box"].item() == pytest.approx((2 - 48 * 18 / (32 * 96)) * (1 - 14 / 22))


VARIANTS = [
    *({"box": kind} for kind in OVERLAPS),
    {"box": "ciou", "box_scale": False, "iou_thresh": 0.2},
    {"objectness": "focal", "focal_gamma": 1.5},
    {"objectness": "focal", "focal_alpha": 0.25},
    {"label_smoothing": 0.1},
    {"iou_thresh": 0.2, "collision": "last", "box_gain": 3, "objectness_gain": 0.5, "class_gain": 2},
]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()))
def test_gradients(options, monkeypatch):
    """The table does not change under a small step, so the loss is as smooth as its parts.

    CIoU's weight is a constant to the gradient, which differences do not know; here it is differentiated too.
    """
    monkeypatch.setattr(F, "iou_loss", partial(F.iou_loss, alpha="attached"))
    rng = np.random.default_rng(2)
    heads = [rng.normal(size=(2, 16, 1, 2)), rng.normal(size=(2, 16, 2, 3))]
    truths = [Truths(rng.uniform(0.2, 0.8, (2, 4)), np.array([0, 2])), Truths(np.zeros((0, 4)), np.zeros(0, int))]
    loss = YoloLoss(GRID, ignore=0.5, **options)
    gradcheck(lambda *maps: loss(maps, truths), *heads)


def test_options_change_what_they_name_and_nothing_else():
    rng = np.random.default_rng(3)
    heads = [rng.normal(size=(1, 16, 4, 4)), rng.normal(size=(1, 16, 8, 8))]
    truths = [[(0.3, 0.6, 0.25, 0.3, 2), (0.7, 0.2, 0.5, 0.4, 0)]]
    _, plain = gradients(YoloLoss(GRID), heads, truths)
    parts = {"box": slice(0, 4), "objectness": slice(4, 5), "classes": slice(5, 8)}
    for options, part in (
        ({"box": "giou"}, "box"),
        ({"box_gain": 2.0}, "box"),
        ({"objectness": "focal"}, "objectness"),
        ({"objectness_gain": 0.5}, "objectness"),
        ({"label_smoothing": 0.1}, "classes"),
        ({"class_gain": 2.0}, "classes"),
    ):
        _, other = gradients(YoloLoss(GRID, **options), heads, truths)
        for a, b in zip(plain, other, strict=True):
            a, b = (g.reshape(1, 2, 8, *g.shape[2:]) for g in (a, b))
            for name, where in parts.items():
                assert np.array_equal(a[:, :, where], b[:, :, where]) != (name == part), options


def test_smoothed_classes_are_least_at_their_targets():
    truths = [[(0.3, 0.6, 0.25, 0.25, 1)]]
    head = np.zeros((1, 16, 8, 8))
    head.reshape(1, 2, 8, 8, 8)[0, 1, 5:, 4, 2] = np.log([0.1 / 0.9, 0.8 / 0.2, 0.1 / 0.9])  # 1 - e + e/3, e/3: e = .3
    _, (_, grad) = gradients(YoloLoss(GRID, label_smoothing=0.3), [np.zeros((1, 16, 4, 4)), head], truths)
    assert np.abs(grad.reshape(1, 2, 8, 8, 8)[:, :, 5:]).max() < 1e-15


def test_focal_with_gamma_0_is_cross_entropy():
    rng = np.random.default_rng(4)
    heads = [rng.normal(size=(1, 16, 4, 4)), rng.normal(size=(1, 16, 8, 8))]
    truths = [[(0.3, 0.6, 0.25, 0.25, 1)]]
    assert sum(YoloLoss(GRID, ignore=0.2).assign([Tensor(h) for h in heads], as_truths(truths)).ignored) > 0
    a, plain = gradients(YoloLoss(GRID, ignore=0.2), heads, truths)
    b, focal = gradients(YoloLoss(GRID, ignore=0.2, objectness="focal", focal_gamma=0.0), heads, truths)
    assert a.item() == pytest.approx(b.item(), rel=1e-14)
    assert all(np.allclose(x, y, rtol=1e-12, atol=1e-15) for x, y in zip(plain, focal, strict=True))


@pytest.mark.parametrize("kind", OVERLAPS)
def test_wild_logits_stay_finite_in_float32(kind):
    heads = [Tensor(np.full((1, 16, s, s), v, np.float32), requires_grad=True) for s, v in ((4, 90), (8, -90))]
    truths = [Truths(np.array([[0.3, 0.6, 0.5, 0.5], [0.3, 0.6, 0.2, 0.2]]), np.array([0, 1]))]
    value = YoloLoss(GRID, box=kind)(heads, truths)
    value.backward()
    assert np.isfinite(value.data)
    for head in heads:
        assert head.grad is not None
        assert head.grad.dtype == np.float32
        assert np.isfinite(head.grad).all()


def test_no_truths_at_all():
    for kind in OVERLAPS:
        _, grads = gradients(YoloLoss(GRID, box=kind), [np.zeros((2, 16, 4, 4)), np.zeros((2, 16, 8, 8))], [[], []])
        for g in grads:
            assert not g.reshape(2, 2, 8, -1)[:, :, [0, 1, 2, 3, 5, 6, 7]].any()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"box": "l2"}, "box must be one of 'squares', 'iou'"),
        ({"objectness": "mse"}, "objectness must be"),
        ({"label_smoothing": 1.5}, "label_smoothing must lie"),
        ({"class_gain": -1.0}, "gains must not be negative"),
    ],
)
def test_wrong_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        YoloLoss(GRID, **options)
