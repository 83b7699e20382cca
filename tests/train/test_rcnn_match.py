"""Matching and sampling in Faster R-CNN: by the letter of the rules, on ties, nothing, and boxes without area."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import iou_matrix

from minidet.train.rcnn_match import BELOW, BETWEEN, LOW_QUALITY, by_chance, match_boxes, sample, the_first

corner = st.integers(0, 4)


@st.composite
def boxes(draw, most: int, least_side: int = 0) -> np.ndarray:
    """Few whole numbers: ties, touching edges, and (with least_side 0) boxes without area."""
    side = st.integers(least_side, 4)
    rows = draw(st.lists(st.tuples(corner, corner, side, side), max_size=most))
    table = np.array(rows, np.float32).reshape(-1, 4)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:]], axis=1)


def by_the_letter(found, truths, high, low, low_quality, untouched):
    """What the head of the module says, a box at a time."""
    overlaps = iou_matrix.definition(truths, found) if len(truths) else np.zeros((0, len(found)), np.float32)
    out = np.full(len(found), BELOW)
    for p in range(len(found)):
        if len(truths):
            best = overlaps[:, p].argmax()
            out[p] = best if overlaps[best, p] >= high else BETWEEN if overlaps[best, p] >= low else BELOW
    for t in range(len(truths)):
        most = overlaps[t].max(initial=0)
        if not len(found) or (most == 0 and untouched == "leave"):
            continue
        if low_quality == "ties":
            for p in np.flatnonzero(overlaps[t] == most):
                out[p] = overlaps[:, p].argmax()
        if low_quality == "first":
            out[overlaps[t].argmax()] = t
    return out


@given(found=boxes(12), truths=boxes(5), limits=st.sampled_from([(0.7, 0.3), (0.5, 0.5), (1.0, 0.0), (0.25, 0.25)]),
       low_quality=st.sampled_from(LOW_QUALITY), untouched=st.sampled_from(["leave", "all"]))  # fmt: skip
def test_by_the_letter(found, truths, limits, low_quality, untouched):
    high, low = limits
    match = match_boxes(found, truths, high=high, low=low, low_quality=low_quality, untouched=untouched)
    np.testing.assert_array_equal(match.truth, by_the_letter(found, truths, high, low, low_quality, untouched))
    assert match.truth.dtype == np.int64
    assert match.iou.shape == match.positive.shape == (len(found),)
    assert not (match.positive & match.negative).any()
    if untouched == "leave" and low > 0:  # whoever answers overlaps: its differences from the truth are finite
        assert (match.iou[match.positive] > 0).all()


def test_overlaps_of_exactly_the_limits():
    """A half of the box: it answers from 0.5 on, is left out from 0.5 on, and is nothing below."""
    found, truths = np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 5]])
    for (high, low), kind in (((0.5, 0.5), 0), ((0.7, 0.5), BETWEEN), ((0.7, 0.6), BELOW)):
        assert match_boxes(found, truths, high=high, low=low).truth.tolist() == [kind]


def test_every_truth_has_its_best_box():
    found = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30], [20, 20, 30, 30], [0, 0, 10, 9]])
    truths = np.array([[0.0, 0, 10, 4], [20, 20, 30, 23]])
    options = {"high": 0.7, "low": 0.35}
    assert match_boxes(found, truths, **options, low_quality="ties").truth.tolist() == [BETWEEN, 1, 1, 0]
    assert match_boxes(found, truths, **options, low_quality="first").truth.tolist() == [BETWEEN, 1, BELOW, 0]


def test_a_box_that_ties_answers_for_the_truth_that_it_overlaps_most():
    """Truth 1 has its best box in common with truth 0, which that box overlaps more: "ties" gives truth 1 nothing."""
    found = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    truths = np.array([[0.0, 0, 10, 4], [0, 0, 10, 3]])
    options = {"high": 0.7, "low": 0.3}
    assert match_boxes(found, truths, **options).truth.tolist() == [BETWEEN, BELOW]
    assert match_boxes(found, truths, **options, low_quality="ties").truth.tolist() == [0, BELOW]
    assert match_boxes(found, truths, **options, low_quality="first").truth.tolist() == [1, BELOW]


def test_a_truth_without_area_takes_every_box_only_by_the_letter():
    found = np.array([[0.0, 0, 10, 10], [5, 5, 15, 15]])
    truths = np.array([[3.0, 3, 3, 8]])
    options = {"high": 0.7, "low": 0.3, "low_quality": "ties"}
    assert match_boxes(found, truths, **options).truth.tolist() == [BELOW, BELOW]
    assert match_boxes(found, truths, **options, untouched="all").truth.tolist() == [0, 0]


@pytest.mark.parametrize(
    "wrong", [{"high": 0.3, "low": 0.7}, {"low_quality": "some"}, {"untouched": "none"}, {"low": -0.1}, {"high": 2}]
)
def test_unknown_options(wrong):
    with pytest.raises(ValueError, match="match_boxes"):
        match_boxes(np.zeros((1, 4)), np.zeros((1, 4)), **{"high": 0.7, "low": 0.3, **wrong})


@given(kinds=st.lists(st.sampled_from([-1, 0, 1]), max_size=40), count=st.integers(0, 20),
       fraction=st.sampled_from([0.0, 0.25, 0.5, 1.0]), seed=st.one_of(st.none(), st.integers(0, 99)))  # fmt: skip
def test_sampling(kinds, count, fraction, seed):
    kinds = np.array(kinds, int)
    pick = the_first if seed is None else by_chance(np.random.default_rng(seed))
    positives, negatives = sample(kinds == 1, kinds == 0, count=count, fraction=fraction, pick=pick)
    there, absent = np.flatnonzero(kinds == 1), np.flatnonzero(kinds == 0)
    assert len(positives) == min(len(there), int(count * fraction))
    assert len(negatives) == min(len(absent), count - len(positives))
    assert len(positives) + len(negatives) <= count
    for chosen, of in ((positives, there), (negatives, absent)):
        assert (np.diff(chosen) > 0).all()
        assert np.isin(chosen, of).all()
        if seed is None:
            np.testing.assert_array_equal(chosen, of[: len(chosen)])


@pytest.mark.parametrize(
    ("there", "absent", "count", "fraction", "found"),
    [(9, 9, 5, 0.5, (2, 3)), (9, 9, 7, 0.25, (1, 6)), (1, 9, 6, 0.5, (1, 5)), (9, 1, 6, 0.5, (3, 1)),
     (9, 9, 4, 1.0, (4, 0)), (0, 3, 4, 0.5, (0, 3)), (3, 0, 4, 0.5, (2, 0))],
)  # fmt: skip
def test_how_many_are_sampled(there, absent, count, fraction, found):
    flags = np.arange(there + absent) < there
    chosen = sample(flags, ~flags, count=count, fraction=fraction, pick=the_first)
    assert tuple(map(len, chosen)) == found


def test_chance_follows_from_the_seed_and_reaches_all():
    flags = np.ones(40, bool)

    def drawn(seed):
        return sample(flags, ~flags, count=16, fraction=0.5, pick=by_chance(np.random.default_rng(seed)))[0]

    np.testing.assert_array_equal(drawn(3), drawn(3))
    times = np.bincount(np.concatenate([drawn(seed) for seed in range(400)]), minlength=40)
    # each is chosen with probability 8/40: 80 times of 400, with a deviation of 8
    assert (abs(times - 80) < 48).all()


def test_a_wrong_share():
    with pytest.raises(ValueError, match="fraction"):
        sample(np.zeros(1, bool), np.zeros(1, bool), count=4, fraction=1.5, pick=the_first)
