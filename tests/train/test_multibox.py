"""SSD's loss: mining by laws, targets by hand, gradients by differences, and batches of nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.autograd import Tensor
from minidet.boxes.priors import shapes
from minidet.boxes.ssd import SsdBoxes, SsdHead
from minidet.gradcheck import gradcheck
from minidet.train.multibox import MultiboxLoss, mine
from minidet.train.truths import Truths

SIZE = (32, 32)
BOXES = SsdBoxes((SsdHead(shapes(8, 16, (2,)), 8), SsdHead(shapes(16, None), 16)), 3)
NONE = Truths(np.zeros((0, 4)), np.zeros(0, np.int64))
SOME = Truths(np.array([[0.3, 0.3, 0.25, 0.25], [0.75, 0.7, 0.5, 0.45]]), np.array([2, 0]))


def maps(images: int, seed: int = 0, dtype: str = "f8") -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    sides = ((4, 4), (2, 1))  # cells a side, boxes a cell
    return [
        rng.standard_normal((images, boxes * numbers, side, side)).astype(dtype)
        for numbers in (4, 4)
        for side, boxes in sides
    ]


@st.composite
def losses(draw):
    n, p = draw(st.integers(1, 3)), draw(st.integers(0, 12))
    values = draw(st.lists(st.integers(0, 4), min_size=n * p, max_size=n * p))
    positive = draw(st.lists(st.booleans(), min_size=n * p, max_size=n * p))
    return np.array(values, float).reshape(n, p), np.array(positive, bool).reshape(n, p)


@given(drawn=losses(), ratio=st.sampled_from([0, 0.5, 1, 3.0]), fewest=st.integers(0, 3))
def test_mining_takes_the_hardest_negatives_and_as_many_as_asked_for(drawn, ratio, fewest):
    values, positive = drawn
    mined = mine(values, positive, ratio=ratio, fewest=fewest)
    for row, is_thing, taken in zip(values, positive, mined, strict=True):
        assert not (is_thing & taken).any()
        negatives = int((~is_thing).sum())
        assert taken.sum() == min(negatives, max(int(ratio * is_thing.sum()), fewest))
        left = ~is_thing & ~taken
        if taken.any() and left.any():
            assert row[taken].min() >= row[left].max()
            ties = np.flatnonzero(~is_thing & (row == row[taken].min()))  # of equal ones the first
            assert taken[ties].tolist() == sorted(taken[ties], reverse=True)


@given(drawn=losses(), ratio=st.sampled_from([0.5, 3.0]), fewest=st.integers(0, 3))
def test_images_are_mined_each_by_itself(drawn, ratio, fewest):
    values, positive = drawn
    mined = mine(values, positive, ratio=ratio, fewest=fewest)
    for n in range(len(values)):
        alone = mine(values[n : n + 1], positive[n : n + 1], ratio=ratio, fewest=fewest)
        np.testing.assert_array_equal(mined[n : n + 1], alone)


def test_nan_is_mined_first():
    assert mine(np.array([[1.0, np.nan, 2, 9]]), np.array([[False, False, False, True]]), ratio=1).tolist() == [
        [False, True, False, False]
    ]


def test_targets_of_one_image():
    loss = MultiboxLoss(BOXES, SIZE)
    found = loss.targets(maps(1), [SOME])
    assert found.priors.shape == (16 * 4 + 4, 4)
    (match,) = found.matches
    best = [int(found.matches[0].forced.nonzero()[0][k]) for k in range(2)]
    assert set(found.classes[0, best]) == {3, 1}  # the class after "nothing"
    assert ((found.classes[0] > 0) == (match.truth >= 0)).all()
    assert found.mined.sum() == 3 * found.positive.sum()
    p = best[0]
    t = match.truth[p]
    wanted = (SOME.boxes[t, :2] - found.priors[p, :2]) / found.priors[p, 2:] / 0.1
    np.testing.assert_allclose(found.locations[0, p, :2], wanted)
    assert not found.locations[0, ~found.positive[0]].any()


@pytest.mark.parametrize("options", [{}, {"shortage": "twice", "ratio": 40.0}, {"normalise": "images", "fewest": 2}])
def test_the_gradient_is_that_of_the_loss(options):
    loss = MultiboxLoss(BOXES, SIZE, **options)
    gradcheck(lambda *heads: loss(heads, [SOME, NONE]), *maps(2))


def by_hand(loss: MultiboxLoss, raw: list[np.ndarray], truths: list[Truths]) -> float:
    """The loss written once more, prior by prior."""
    found = loss.targets(raw, truths)
    locations, logits = BOXES.rows(raw)
    total = 0.0
    for n, p in np.ndindex(found.classes.shape):
        if found.positive[n, p]:
            d = np.abs(locations[n, p] - found.locations[n, p])
            total += np.where(d < 1, d * d / 2, d - 0.5).sum()
        if found.positive[n, p] or found.mined[n, p]:
            total += np.log(np.exp(logits[n, p]).sum()) - logits[n, p, found.classes[n, p]]
    return total / max(found.positive.sum(), 1)


def test_the_loss_is_the_sum_over_positives_and_mined():
    loss, raw = MultiboxLoss(BOXES, SIZE), maps(2, 3)
    truths = [SOME, Truths(np.array([[0.5, 0.5, 1.0, 1.0]]), np.array([1]))]
    assert float(loss([Tensor(m) for m in raw], truths).data) == pytest.approx(by_hand(loss, raw, truths), rel=1e-12)


def test_a_positive_counts_twice_where_negatives_are_short():
    """Of 68 priors; 40 negatives are wanted for each of some positives."""
    raw = [Tensor(m) for m in maps(1)]
    once, twice = (
        float(MultiboxLoss(BOXES, SIZE, ratio=40, shortage=shortage).terms(raw, [SOME])["classes"].data)
        for shortage in ("all", "twice")
    )
    assert twice > once


@pytest.mark.parametrize("images", [0, 1, 2])
def test_images_without_truths_give_zero_and_no_nan(images):
    raw = [Tensor(m, requires_grad=True) for m in maps(images)]
    loss = MultiboxLoss(BOXES, SIZE)(raw, [NONE] * images)
    assert float(loss.data) == 0
    loss.backward()
    for one in raw:
        assert not one.grad.any()


def test_truths_that_no_prior_answers_for_give_zero_and_no_nan():
    """Nobody is forced, and nobody overlaps by as much as is asked for: no positives in the batch."""
    raw = [Tensor(m, requires_grad=True) for m in maps(1)]
    tiny = Truths(np.array([[0.01, 0.01, 1e-6, 1e-6], [0.3, 0.3, 0.25, 0.25]]), np.array([0, 1]))
    multibox = MultiboxLoss(BOXES, SIZE, forced="none", threshold=1.0, compare="strict")
    assert not multibox.targets([m.data for m in raw], [tiny]).positive.any()
    loss = multibox(raw, [tiny])
    assert float(loss.data) == 0
    loss.backward()
    assert not any(one.grad.any() for one in raw)
    loss = MultiboxLoss(BOXES, SIZE)([Tensor(m) for m in maps(1)], [tiny])  # forced: a logarithm of a tiny side
    assert np.isfinite(loss.data)


def test_negatives_of_images_without_truths_can_be_asked_for():
    loss = MultiboxLoss(BOXES, SIZE, fewest=5)
    assert loss.targets(maps(1), [NONE]).mined.sum() == 5
    assert float(loss([Tensor(m) for m in maps(1)], [NONE]).data) > 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MultiboxLoss(BOXES, SIZE, shortage="some"), "shortage must be"),
        (lambda: MultiboxLoss(BOXES, SIZE, normalise="batch"), "normalise must be"),
        (lambda: MultiboxLoss(BOXES, SIZE, forced="all"), "forced is one of"),
        (lambda: MultiboxLoss(BOXES, SIZE, fewest=-1), "must not be negative"),
        (lambda: mine(np.zeros((1, 1)), np.zeros((1, 1), bool), ratio=-1), "must not be negative"),
        (lambda: MultiboxLoss(BOXES, SIZE).targets(maps(1), [SOME, SOME]), "maps of 1 images and truths of 2"),
        (lambda: MultiboxLoss(BOXES, SIZE).targets(maps(1)[:3], [SOME]), "3 maps; 2 of locations and 2 of logits"),
        (lambda: MultiboxLoss(BOXES, SIZE).targets(maps(1)[::-1], [SOME]), "raw map"),
        (
            lambda: MultiboxLoss(BOXES, SIZE).targets(maps(1), [Truths(SOME.boxes, np.array([0, 3]))]),
            "labels of image 0",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(call, says):
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)
