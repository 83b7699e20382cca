"""Which prior answers for which truth, by laws and by examples that tell programs apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import iou_matrix

from minidet.train.prior_match import FORCED, match_priors

corner = st.integers(0, 12)


@st.composite
def boxes(draw, least: int, most: int) -> np.ndarray:
    rows = draw(
        st.lists(st.tuples(corner, corner, st.integers(1, 8), st.integers(1, 8)), min_size=least, max_size=most)
    )
    table = np.array(rows, np.float64).reshape(-1, 4)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:]], axis=1)


@given(priors=boxes(0, 12), truths=boxes(0, 5), threshold=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
       forced=st.sampled_from(FORCED), compare=st.sampled_from(["inclusive", "strict"]))  # fmt: skip
def test_laws(priors, truths, threshold, forced, compare):
    match = match_priors(priors, truths, threshold=threshold, forced=forced, compare=compare)
    assert match.truth.shape == match.iou.shape == match.forced.shape == (len(priors),)
    overlaps = iou_matrix.definition(truths, priors) if len(truths) else np.zeros((0, len(priors)))
    for p, truth in enumerate(match.truth):
        best = overlaps[:, p].max(initial=0)
        answers = best >= threshold if compare == "inclusive" else best > threshold
        if match.forced[p]:
            assert truth >= 0
        elif truth >= 0:
            assert answers
            assert truth == overlaps[:, p].argmax()
        else:
            assert not (answers and len(truths))
        assert match.iou[p] == (overlaps[truth, p] if truth >= 0 else 0)
    if forced == "none":
        assert not match.forced.any()
    if forced == "last" and len(priors):
        best = overlaps.argmax(axis=1)
        for prior in set(best):  # answers for the last of the truths whose best prior it is
            assert match.truth[prior] == np.flatnonzero(best == prior)[-1]
        assert set(np.flatnonzero(match.forced)) == set(best)
    if forced == "bipartite":
        assert match.forced.sum() <= min(len(truths), len(priors))
        assert (match.iou[match.forced] > 0).all(), "a truth has a prior that it does not overlap"
        assert len(set(match.truth[match.forced])) == match.forced.sum(), "a truth has two forced priors"
        own = np.array([match.iou[match.forced & (match.truth == t)].max(initial=0) for t in range(len(truths))])
        held = np.where(match.forced, match.iou, 0)
        assert (overlaps <= np.maximum(own[:, None], held)).all(), (
            "a truth and a prior would both rather have each other"
        )


@given(priors=boxes(1, 10), truths=boxes(1, 5), seed=st.integers(0, 99), forced=st.sampled_from(["last", "none"]))
def test_the_order_of_truths_changes_nothing_but_ties(priors, truths, seed, forced):
    """Ties are two truths with one best prior, and two truths that overlap a prior alike."""
    overlaps = iou_matrix.definition(truths, priors)
    order = np.random.default_rng(seed).permutation(len(truths))
    one, other = (match_priors(priors, t, forced=forced) for t in (truths, truths[order]))
    there = other.truth >= 0
    np.testing.assert_array_equal(one.truth >= 0, there)
    np.testing.assert_array_equal(one.forced, other.forced)
    best = np.bincount(overlaps.argmax(axis=1), minlength=len(priors)) if forced == "last" else np.zeros(len(priors))
    alike = (overlaps == overlaps.max(axis=0)).sum(axis=0) > 1  # of the truths, for one prior
    same = there & (best <= 1) & (~alike | one.forced)
    np.testing.assert_array_equal(one.truth[same], order[other.truth[same]])
    np.testing.assert_array_equal(one.iou[there & (best <= 1)], other.iou[there & (best <= 1)])


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6))
def test_the_order_of_truths_changes_nothing_of_bipartite_matching(seed, count):
    """All boxes overlap, and no two pairs alike."""
    rng = np.random.default_rng(seed)
    priors, truths = (
        np.concatenate([rng.uniform(0, 4, (n, 2)), rng.uniform(5, 9, (n, 2))], axis=1) for n in (8, count)
    )
    order = rng.permutation(count)
    one, other = (match_priors(priors, t, forced="bipartite") for t in (truths, truths[order]))
    there = other.truth >= 0
    np.testing.assert_array_equal(one.truth >= 0, there)
    np.testing.assert_array_equal(one.truth[there], order[other.truth[there]])


def test_two_truths_of_one_best_prior():
    """The later truth takes it; by bipartite matching the better one does, the other gets what is left."""
    priors = np.array([[0.0, 0, 10, 10], [0, 0, 10, 40]])
    truths = np.array([[0.0, 0, 10, 4], [0, 0, 10, 3]])
    assert match_priors(priors, truths).truth.tolist() == [1, -1]
    assert match_priors(priors, truths, forced="bipartite").truth.tolist() == [0, 1]
    assert match_priors(priors, truths, forced="none").truth.tolist() == [-1, -1]
    priors[1] += 50
    assert match_priors(priors, truths).truth.tolist() == [1, -1]
    assert match_priors(priors, truths, forced="bipartite").truth.tolist() == [0, -1]


def test_an_overlap_of_exactly_the_threshold():
    priors, truths = np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 5]])
    assert match_priors(priors, truths, forced="none").truth.tolist() == [0]
    assert match_priors(priors, truths, forced="none", compare="strict").truth.tolist() == [-1]


def test_the_first_of_equal_truths_answers():
    priors, truths = np.array([[0.0, 0, 4, 4]] * 2), np.array([[0.0, 0, 4, 4]] * 2)
    assert match_priors(priors, truths, forced="none").truth.tolist() == [0, 0]
    assert match_priors(priors, truths, forced="bipartite").truth.tolist() == [0, 1]


@pytest.mark.parametrize("options", [{"forced": "all"}, {"compare": "above"}, {"threshold": 1.5}, {"threshold": -1}])
def test_unknown_options_are_one_line(options):
    with pytest.raises(ValueError, match="match_priors: ") as error:
        match_priors(np.zeros((1, 4)), np.zeros((1, 4)), **options)
    assert "\n" not in str(error.value)
