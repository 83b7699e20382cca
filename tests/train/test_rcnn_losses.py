"""The losses of Mask R-CNN: by their formulas, with gradients, of nothing, and on regions without extent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import encode

from minidet.autograd import Tensor
from minidet.gradcheck import gradcheck
from minidet.train.rcnn_losses import head_loss, keypoint_loss, mask_loss, rpn_loss
from minidet.train.region_targets import AT_ONCE, keypoint_targets, mask_targets

RNG = np.random.default_rng(0)


def smooth(d, beta=1 / 9):
    d = np.abs(d)
    return np.where(d < beta, d * d / (2 * beta), d - beta / 2).sum()


def test_rpn_by_its_formula():
    logits, deltas, wanted = RNG.normal(size=12), RNG.normal(size=(12, 4)), RNG.normal(size=(2, 4))
    positives, negatives = np.array([3, 7]), np.array([0, 4, 11])
    got = rpn_loss(Tensor(logits), Tensor(deltas), positives=positives, negatives=negatives, encoded=wanted)
    bce = np.log1p(np.exp(-logits[positives])).sum() + np.log1p(np.exp(logits[negatives])).sum()
    assert got["objectness"].item() == pytest.approx(bce / 5, rel=1e-12)
    assert got["rpn_box"].item() == pytest.approx(smooth(deltas[positives] - wanted) / 5, rel=1e-12)
    share = rpn_loss(
        Tensor(logits), Tensor(deltas), positives=positives, negatives=negatives, encoded=wanted, total=256
    )
    assert share["objectness"].item() == pytest.approx(bce / 256, rel=1e-12)


def test_heads_by_their_formulas():
    logits, deltas = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 12))
    labels, wanted = np.array([0, 2, 1, 0, 2]), RNG.normal(size=(3, 4))
    got = head_loss(Tensor(logits), Tensor(deltas), labels=labels, encoded=wanted)
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert got["classes"].item() == pytest.approx(-logp[np.arange(5), labels].mean(), rel=1e-12)
    own = np.stack([deltas[1, 8:12], deltas[2, 4:8], deltas[4, 8:12]])
    assert got["box"].item() == pytest.approx(smooth(own - wanted) / 5, rel=1e-12)


def test_masks_and_keypoints_by_their_formulas():
    logits, targets = RNG.normal(size=(2, 3, 4, 4)), RNG.random((2, 4, 4))
    own = logits[[0, 1], [2, 1]]
    want = (targets * np.log1p(np.exp(-own)) + (1 - targets) * np.log1p(np.exp(own))).mean()
    assert mask_loss(Tensor(logits), labels=np.array([2, 1]), targets=targets).item() == pytest.approx(want, rel=1e-12)
    maps, places = RNG.normal(size=(2, 3, 4, 4)), np.array([[5, 0, 15], [2, 3, 4]])
    counted = np.array([[True, False, True], [False, False, True]])
    flat = maps.reshape(2, 3, 16)
    logp = flat - np.log(np.exp(flat).sum(axis=2, keepdims=True))
    want = -np.mean([logp[0, 0, 5], logp[0, 2, 15], logp[1, 2, 4]])
    assert keypoint_loss(Tensor(maps), places=places, counted=counted).item() == pytest.approx(want, rel=1e-12)


def test_gradients():
    def all_of(objectness, deltas, logits, regions, masks, maps):
        rpn = rpn_loss(
            objectness, deltas, positives=np.array([1, 4]), negatives=np.array([0, 2]), encoded=np.full((2, 4), 0.3)
        )
        head = head_loss(logits, regions, labels=np.array([0, 2, 1]), encoded=np.full((2, 4), -0.2))
        mask = mask_loss(masks, labels=np.array([1, 2]), targets=np.linspace(0, 1, 18).reshape(2, 3, 3))
        points = keypoint_loss(maps, places=np.array([[3, 0]]), counted=np.array([[True, False]]))
        return rpn["objectness"] + rpn["rpn_box"] + head["classes"] + head["box"] + mask + points

    shapes = [(6,), (6, 4), (3, 3), (3, 12), (2, 3, 3, 3), (1, 2, 2, 2)]
    gradcheck(all_of, *(RNG.normal(size=shape) for shape in shapes))


def test_of_nothing_a_loss_is_zero_and_so_are_its_gradients():
    """No proposals, no positives, no keypoints; even beside infinite logits."""
    none, rows = np.zeros(0, np.int64), np.zeros((0, 4))
    objectness, deltas = Tensor(np.full(5, np.inf), requires_grad=True), Tensor(np.ones((5, 4)), requires_grad=True)
    logits, regions = Tensor(np.ones((0, 3)), requires_grad=True), Tensor(np.ones((0, 12)), requires_grad=True)
    masks, maps = (Tensor(np.full(shape, np.inf), requires_grad=True) for shape in ((1, 3, 4, 4), (2, 3, 4, 4)))
    losses = [
        *rpn_loss(objectness, deltas, positives=none, negatives=none, encoded=rows).values(),
        *head_loss(logits, regions, labels=none, encoded=rows).values(),
        mask_loss(masks, labels=none, targets=np.zeros((0, 4, 4))),
        keypoint_loss(maps, places=np.zeros((2, 3), int), counted=np.zeros((2, 3), bool)),
    ]
    for one in losses:
        assert one.item() == 0
        one.backward()
    for x in (objectness, deltas, logits, regions, masks, maps):
        assert x.grad is not None
        assert not np.asarray(x.grad).any()


def test_logits_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(3, 4\)"):
        head_loss(Tensor(np.ones((3, 2))), Tensor(np.ones((3, 4))), labels=np.zeros(3, int), encoded=np.zeros((0, 4)))


# What a region looks like.


def test_a_region_that_is_a_mask_shows_it():
    """Of a region whose bins are pixels, by pixel centres the mask itself; by points the mean of neighbours."""
    dense = RNG.random((2, 8, 8)) < 0.5
    runs, box = encode(dense), np.array([[0.0, 0, 8, 8]] * 2)
    sharp = mask_targets(runs, box, np.array([1, 0]), size=8, rule="detectron2")
    np.testing.assert_array_equal(sharp, dense[[1, 0]])
    soft = mask_targets(runs, box, np.array([1, 0]), size=8)
    padded = np.pad(dense[[1, 0]].astype(float), ((0, 0), (0, 1), (0, 1)), mode="edge")
    means = (padded[:, :-1, :-1] + padded[:, 1:, :-1] + padded[:, :-1, 1:] + padded[:, 1:, 1:]) / 4
    np.testing.assert_allclose(soft, means, atol=1e-12)


@given(x=st.integers(-3, 9), y=st.integers(-3, 9), w=st.integers(0, 12), h=st.integers(0, 12))
def test_regions_anywhere_are_shares(x, y, w, h):
    """Without extent, over the edge, or outside: between 0 and 1, and all 1 well inside of a mask that is full."""
    box = np.array([[x, y, x + w, y + h]], np.float32)
    full, empty = encode(np.ones((1, 8, 8), bool)), encode(np.zeros((1, 8, 8), bool))
    for rule in ("torchvision", "detectron2"):
        got = mask_targets(full, box, np.array([0]), size=5, rule=rule)
        assert got.shape == (1, 5, 5)
        assert got.dtype == np.float32
        assert ((got >= 0) & (got <= 1 + 1e-6)).all()
        if rule == "torchvision" and x >= 0 and y >= 0 and x + max(w, 1) <= 8 and y + max(h, 1) <= 8:
            np.testing.assert_allclose(got, 1, atol=1e-6)
        assert not mask_targets(empty, box, np.array([0]), size=5, rule=rule).any()


def test_hundreds_of_instances_some_at_a_time():
    n = 3 * AT_ONCE + 5
    dense = np.zeros((n, 20, 20), bool)
    for i in range(n):
        dense[i, i % 17 : i % 17 + 3, (7 * i) % 16 : (7 * i) % 16 + 4] = True
    which = RNG.permutation(n)
    boxes = np.stack([[(7 * i) % 16, i % 17, (7 * i) % 16 + 4, i % 17 + 3] for i in which]).astype(np.float64)
    together = mask_targets(encode(dense), boxes, which, size=6, rule="detectron2")
    alone = [mask_targets(encode(dense[i : i + 1]), b[None], np.array([0]), size=6, rule="detectron2")[0]
             for i, b in zip(which, boxes, strict=True)]  # fmt: skip
    np.testing.assert_array_equal(together, np.stack(alone))
    assert (together == 1).all()


def test_what_is_refused():
    runs = encode(np.ones((1, 4, 4), bool))
    with pytest.raises(ValueError, match="rule"):
        mask_targets(runs, np.zeros((1, 4)), np.array([0]), rule="other")
    with pytest.raises(ValueError, match="1 masks"):
        mask_targets(runs, np.zeros((1, 4)), np.array([1]))


def test_a_keypoint_has_a_place():
    """Floor in the box, the last place on its right and lower edge; outside or unlabelled it does not count."""
    box = np.array([[10.0, 20, 18, 36]])
    points = np.array([[[10, 20, 1], [18, 36, 2], [17.9, 21, 1], [9.99, 25, 1], [12, 25, 0], [18.01, 25, 1]]])
    places, counted = keypoint_targets(points, box, size=4)
    assert counted.tolist() == [[True, True, True, False, False, False]]
    assert places[0, :3].tolist() == [0, 15, 0 * 4 + 3]
    assert not places[0, 3:].any()


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [5, 5, 5, 5], [9, 5, 5, 9], [np.nan, 0, 1, 1]])
def test_in_a_box_without_extent_nothing_counts(box):
    points = np.array([[[5.0, 5, 2], [5, 9, 2], [7, 7, 2], [np.nan, 1, 2]]])
    places, counted = keypoint_targets(points, np.array([box], float))
    assert not counted.any()
    assert not places.any()
