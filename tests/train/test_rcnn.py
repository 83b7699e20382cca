"""The joint loss of R-CNNs on a tiny network: what is chosen, what is refused, and that nothing makes it infinite."""

from __future__ import annotations

import numpy as np
import pytest
from minidet_kernels import iou_matrix
from minidet_kernels.masks import encode

from minidet.autograd import Tensor
from minidet.errors import InputError
from minidet.models.rcnn import RCNN
from minidet.train.rcnn import TERMS, RcnnLoss, rcnn_loss
from minidet.train.rcnn_match import the_first
from minidet.train.region_truths import RegionTruths

SIZE = (64, 96)


@pytest.fixture(scope="module")
def model():
    made = RCNN(2, depth=18, masks=True, keypoints=3, width=1 / 32, size=SIZE, anchors=(8, 16, 32, 48, 64),
                before=(40, 40), after=(20, 20), norm="batch", rng=0)  # fmt: skip
    return made.train()


def truths(boxes, labels=None, mask=None, points=None):
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    n = len(boxes)
    if mask is None:
        y, x = np.ogrid[: SIZE[0], : SIZE[1]]
        mask = np.array([(x >= a) & (x < c) & (y >= b) & (y < d) for a, b, c, d in boxes], bool).reshape(n, *SIZE)
    points = np.full((n, 3, 3), 20.0) if points is None else points
    labels = np.arange(n) % 2 if labels is None else labels
    return RegionTruths(boxes, labels, encode(mask), points)


ONE = truths([[10, 10, 40, 50], [30, 5, 60, 30], [2, 2, 9, 9]])
NONE = truths(np.zeros((0, 4)))
IMAGES = np.random.default_rng(0).random((2, 3, *SIZE)).astype(np.float32)


def step_of(model, given, images=IMAGES, **options):
    """A step, with the gradients of every parameter; everything is finite."""
    model.zero_grad()
    loss = RcnnLoss(model, **{"anchors": 32, "boxes": 16, **options})
    step = loss.step(Tensor(images), given)
    assert list(step.terms) == list(TERMS)
    total = sum(step.terms.values(), start=Tensor(np.zeros((), np.float32)))
    total.backward()
    assert np.isfinite(total.item())
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert np.isfinite(p.grad).all(), name
    return step


def test_what_is_chosen_follows_the_rules(model):
    step = step_of(model, [ONE, ONE])
    for one in step.anchors + step.proposals:
        overlaps = iou_matrix(ONE.boxes.astype(np.float32), one.boxes)
        assert len(one.encoded) == len(one.positives) > 0
        assert (one.truth == overlaps[:, one.positives].argmax(axis=0)).all()
        assert np.isfinite(one.encoded).all()
    for one in step.anchors:
        assert len(one.positives) <= 16
        assert len(one.chosen) == 32
        assert (iou_matrix(ONE.boxes.astype(np.float32), one.boxes[one.negatives]) < 0.3).all()
        assert set(one.match.truth[one.match.positive]) == {0, 1, 2}
    for one in step.proposals:
        np.testing.assert_array_equal(one.boxes[-3:], ONE.boxes)  # the truths are proposals too
        assert len(one.positives) <= 4
        overlaps = iou_matrix(ONE.boxes.astype(np.float32), one.boxes)
        assert (overlaps.max(axis=0)[one.positives] >= 0.5).all()
        assert (overlaps.max(axis=0)[one.negatives] < 0.5).all()


def test_sampling_follows_from_the_seed(model):
    one, same, other = (
        step_of(model, [ONE, ONE], seed=seed, anchors=12, anchor_low_quality="ties") for seed in (1, 1, 2)
    )
    assert [a.chosen.tolist() for a in one.anchors] == [a.chosen.tolist() for a in same.anchors]
    assert [a.chosen.tolist() for a in one.anchors] != [a.chosen.tolist() for a in other.anchors]


def test_gains_multiply_terms(model):
    model.eval()  # the statistics of batch norm stay
    try:
        options = {"anchors": 8, "boxes": 8, "pick": the_first}
        plain = RcnnLoss(model, **options).step(Tensor(IMAGES), [ONE, ONE]).terms
        more = RcnnLoss(model, gains={"mask": 3.0, "rpn_box": 0.0}, **options).step(Tensor(IMAGES), [ONE, ONE]).terms
    finally:
        model.train()
    for name in TERMS:
        gain = {"mask": 3.0, "rpn_box": 0.0}.get(name, 1.0)
        assert more[name].item() == pytest.approx(gain * plain[name].item(), rel=1e-6)


def test_images_without_truths(model):
    step = step_of(model, [ONE, NONE])
    assert not len(step.proposals[1].positives)
    assert len(step.proposals[1].negatives) > 0
    step = step_of(model, [NONE, RegionTruths(np.zeros((0, 4)), np.zeros(0, np.int64))])
    for name in ("rpn_box", "box", "mask", "keypoint"):
        assert step.terms[name].item() == 0
    assert step.terms["objectness"].item() > 0


def test_no_proposals(model):
    """No proposal survives; the truths themselves are the only ones, and where there are none, nothing is sampled."""
    before = model.rpn.after
    model.rpn.after = (0, 0)
    try:
        step = step_of(model, [ONE, NONE])
        assert [len(one.boxes) for one in step.proposals] == [3, 0]
        assert step_of(model, [NONE, NONE]).terms["classes"].item() == 0
    finally:
        model.rpn.after = before


@pytest.mark.parametrize("untouched", ["leave", "all"])
def test_boxes_of_zero_size_are_left_out(model, untouched):
    flat = truths(
        [[10, 10, 10, 50], [20, 20, 20, 20], [30, 30, 20, 20], [30, 5, 60, 30]], labels=np.array([0, 1, 0, 1])
    )
    step = step_of(model, [flat, NONE], untouched=untouched)
    assert {int(t) for one in step.anchors for t in one.truth} == {0}  # of those left
    only = truths([[10, 10, 10, 50]])
    assert step_of(model, [only, only], untouched=untouched).terms["box"].item() == 0


def test_boxes_smaller_than_a_float_are_no_trouble(model):
    """1e-23 pixels wide: an area that float32 holds as 0; and 1e-3 pixels, which it holds."""
    tiny = truths([[10, 10, 10 + 1e-23, 10 + 1e-23], [20, 20, 20.001, 20.001], [0, 0, 1e-22, 1e-22]])
    step_of(model, [tiny, ONE])


def test_masks_that_are_all_empty_and_masks_that_overlap(model):
    empty = truths(ONE.boxes, mask=np.zeros((3, *SIZE), bool))
    assert step_of(model, [empty, empty]).terms["mask"].item() > 0
    full = truths(ONE.boxes, mask=np.ones((3, *SIZE), bool))
    step_of(model, [full, empty])


def test_hundreds_of_instances(model):
    grid = np.array([[4 * x, 4 * y, 4 * x + 3, 4 * y + 3] for y in range(15) for x in range(24)])
    step = step_of(model, [truths(grid), ONE])
    assert len(step.proposals[0].boxes) >= 360


def test_keypoints_that_are_not_there(model):
    hidden = truths(ONE.boxes, points=np.zeros((3, 3, 3)))
    assert step_of(model, [hidden, hidden]).terms["keypoint"].item() == 0


def test_images_smaller_than_a_stride(model):
    small = np.random.default_rng(1).random((2, 3, 5, 7)).astype(np.float32)
    mask = np.zeros((1, 5, 7), bool)
    mask[0, 1:3, 1:4] = True
    given = RegionTruths(np.array([[1.0, 1, 4, 3]]), np.zeros(1, np.int64), encode(mask), np.ones((1, 3, 3)))
    step_of(model, [given, given], images=small)


def test_resizing_moves_truths_with_the_image(model):
    """Half the size: the network doubles it, and boxes, masks and points with it."""
    half = np.random.default_rng(2).random((1, 3, 32, 48)).astype(np.float32)
    mask = np.zeros((1, 32, 48), bool)
    mask[0, 4:20, 6:30] = True
    given = RegionTruths(np.array([[6.0, 4, 30, 20]]), np.zeros(1, np.int64), encode(mask), np.full((1, 3, 3), 10.0))
    _, (moved,) = RcnnLoss(model, resize=True).inputs(Tensor(half), [given])
    np.testing.assert_allclose(moved.boxes, 2 * given.boxes)
    assert moved.masks.size == SIZE
    np.testing.assert_allclose(moved.keypoints[..., :2], 20)
    batch, (same,) = RcnnLoss(model).inputs(Tensor(half), [given])
    assert batch.sizes == ((32, 48),)
    assert same.masks is given.masks


def test_what_is_refused(model):
    loss = RcnnLoss(model)
    with pytest.raises(ValueError, match="2 images and truths of 1"):
        loss(Tensor(IMAGES), [ONE])
    wrong = encode(np.ones((3, 96, 64), bool))
    with pytest.raises(ValueError, match="masks of image 0: 3 of 64 x 96 pixels"):
        loss(Tensor(IMAGES), [RegionTruths(ONE.boxes, ONE.labels, wrong, ONE.keypoints), ONE])
    three = truths(ONE.boxes, labels=np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"range\(2\)"):
        loss(Tensor(IMAGES), [three, ONE])


@pytest.mark.parametrize(
    ("options", "pattern"),
    [({"gains": {"masks": 1.0}}, "masks; the terms are"), ({"anchor_limits": (0.3, 0.7)}, "low <= high"),
     ({"mask_rule": "soft"}, "rule"), ({"box_fraction": 2.0}, "fraction"), ({"roi": 3}, "roi")],
)  # fmt: skip
def test_wrong_options_are_named(model, options, pattern):
    with pytest.raises(InputError, match=f"loss.options: .*{pattern}"):
        rcnn_loss(model, **options)


def test_the_rpns_terms_are_of_the_anchors_chosen(model):
    """Of each image its own; the mean over all that were sampled, in the statistics of eval mode."""
    model.eval()
    try:
        loss = RcnnLoss(model, anchors=12, boxes=8, seed=5)
        step = loss.step(Tensor(IMAGES), [ONE, NONE])
        batch, _ = loss.inputs(Tensor(IMAGES), [ONE, NONE])
        rows = model.rpn.rows(*model.rpn.head(model.backbone(batch.x)))
    finally:
        model.train()
    logits, deltas = (np.concatenate([one.numpy() for one in part], axis=1).astype(np.float64) for part in rows)
    wrong = [np.logaddexp(0, -x[one.positives]).sum() + np.logaddexp(0, x[one.negatives]).sum()
             for x, one in zip(logits, step.anchors, strict=True)]  # fmt: skip
    assert step.terms["objectness"].item() == pytest.approx(sum(wrong) / 24, rel=1e-5)
    away = np.abs(deltas[0][step.anchors[0].positives] - step.anchors[0].encoded)
    smooth = np.where(away < 1 / 9, 4.5 * away**2, away - 1 / 18).sum()
    assert step.terms["rpn_box"].item() == pytest.approx(smooth / 24, rel=1e-5)
