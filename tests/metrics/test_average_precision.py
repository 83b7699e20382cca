"""Average precision against closed forms, a plain definition and the laws it must obey."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.metrics import Found, Truth, average_precision, evaluate, match


def plain_iou(a, b) -> Fraction:
    a, b = ([Fraction(float(v)) for v in box] for box in (a, b))
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(w, Fraction(0)) * max(h, Fraction(0))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if inter else Fraction(0)


def plain_ap(found, truths, c, threshold) -> float | None:
    """The definition with plain loops and rationals: collect, sort, match one by one, step through the curve."""
    n = sum(int(label == c) for t in truths for label in t.labels)
    if n == 0:
        return None
    everything = []
    for i, f in enumerate(found):
        everything += [(-float(f.scores[k]), i, k) for k in range(len(f.scores)) if f.labels[k] == c]
    used, hits = set(), []
    for _, i, k in sorted(everything):
        best, which = Fraction(-1), None
        for t in range(len(truths[i].labels)):
            if truths[i].labels[t] == c and (i, t) not in used:
                overlap = plain_iou(found[i].boxes[k], truths[i].boxes[t])
                if overlap > best:
                    best, which = overlap, t
        hit = which is not None and best >= Fraction(threshold)
        if hit:
            used.add((i, which))
        hits.append(hit)
    points = []  # recall, precision
    for k in range(1, len(hits) + 1):
        points.append((Fraction(sum(hits[:k]), n), Fraction(sum(hits[:k]), k)))
    area, last = Fraction(0), Fraction(0)
    for recall in sorted({r for r, _ in points}):
        area += (recall - last) * max(p for r, p in points if r >= recall)
        last = recall
    return float(area)


box = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4), st.integers(1, 4)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@st.composite
def pictures(draw, classes=3):
    found, truths = [], []
    for _ in range(draw(st.integers(0, 4))):
        truth = draw(st.lists(box, max_size=4))
        near = draw(st.lists(st.one_of(box, *[st.just(t) for t in truth]), max_size=6))
        label = st.integers(0, classes - 1)
        scores = [draw(st.sampled_from([0.1, 0.5, 0.5, 0.7, 0.9])) for _ in near]
        found.append(
            Found(
                np.array(near, np.float32).reshape(-1, 4),
                np.array(scores, np.float32),
                np.array([draw(label) for _ in near], int),
            )
        )
        truths.append(Truth(np.array(truth, np.float32).reshape(-1, 4), np.array([draw(label) for _ in truth], int)))
    return found, truths


@given(pictures(), st.sampled_from([0.5, 0.25, 0.75, 1.0]))
def test_against_the_plain_definition(case, threshold):
    found, truths = case
    result = evaluate(found, truths, 3, iou=threshold)
    known = []
    for c in range(3):
        expected = plain_ap(found, truths, c, threshold)
        if expected is None:
            assert math.isnan(result.ap[c])
        else:
            assert result.ap[c] == pytest.approx(expected, abs=1e-12)
            known.append(expected)
    assert math.isnan(result.mean) if not known else result.mean == pytest.approx(np.mean(known), abs=1e-12)
    assert result.truths.sum() == sum(len(t.labels) for t in truths)
    assert result.detections.sum() == sum(len(f.labels) for f in found)


@pytest.mark.parametrize(
    ("hits", "truths", "expected"),
    [
        ([1], 1, 1.0),
        ([1, 1, 1], 10, 0.3),
        ([1] * 7, 10, 0.7),
        ([1] * 6, 10, 0.6),
        ([1, 0, 1], 2, 5 / 6),
        ([1, 1], 3, 2 / 3),
        ([0, 1], 1, 0.5),
        ([1, 0], 1, 1.0),
        ([0, 0, 0], 2, 0.0),
        ([], 2, 0.0),
        ([0, 1, 1], 2, 2 / 3),  # the envelope lifts the first hit from 1/2 to 2/3
    ],
)
def test_closed_forms(hits, truths, expected):
    scores = np.linspace(0.9, 0.1, len(hits))
    assert average_precision(np.array(hits, bool), scores, truths) == pytest.approx(expected, abs=1e-15)
    backwards = average_precision(np.array(hits, bool)[::-1], scores[::-1], truths)
    assert backwards == pytest.approx(expected, abs=1e-15), "the order of presentation does not matter, the scores do"


def test_a_class_without_truth_has_no_ap_and_does_not_count():
    assert math.isnan(average_precision(np.zeros(2, bool), np.ones(2), 0))
    here = np.array([[0, 0, 4, 4]], np.float32)
    result = evaluate([Found(here, np.array([0.9]), np.array([1]))], [Truth(here, np.array([1]))], 3)
    assert np.isnan(result.ap[[0, 2]]).all()
    assert result.mean == 1.0


def test_an_iou_of_exactly_the_threshold_matches():
    truth = np.array([[0, 0, 2, 1]], np.float32)
    half, less = np.array([[0, 0, 1, 1]], np.float32), np.array([[0, 0, 0.999, 1]], np.float32)
    assert match(half, np.ones(1), truth).tolist() == [0]
    assert match(less, np.ones(1), truth).tolist() == [-1]


def test_the_best_score_chooses_first_and_a_truth_is_taken_once():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 8]], np.float32)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 9.5]], np.float32)
    # the second has the best score and takes the truth it fits best; the first must be content with the other
    assert match(boxes, np.array([0.5, 0.9, 0.4]), truth).tolist() == [1, 0, -1]
    assert match(boxes, np.array([0.5, 0.5, 0.5]), truth).tolist() == [0, 1, -1], "ties go in the order given"


@given(pictures(), st.integers(0, 2**32 - 1))
def test_the_order_of_images_does_not_matter_without_ties(case, seed):
    found, truths = case
    rng = np.random.default_rng(seed)
    total = sum(len(f.scores) for f in found)
    distinct = rng.permutation(total) + 1.0
    starts = np.cumsum([0] + [len(f.scores) for f in found])
    found = [f._replace(scores=distinct[a:b]) for f, a, b in zip(found, starts, starts[1:], strict=False)]
    before = evaluate(found, truths, 3).ap
    order = rng.permutation(len(found))
    within = [rng.permutation(len(f.scores)) for f in found]
    moved = [Found(found[i].boxes[within[i]], found[i].scores[within[i]], found[i].labels[within[i]]) for i in order]
    assert np.array_equal(before, evaluate(moved, [truths[i] for i in order], 3).ap, equal_nan=True)


@given(pictures(), st.sampled_from([2.0, 0.5, 1024.0]))
def test_only_the_order_of_scores_matters_and_boxes_may_be_scaled(case, factor):
    found, truths = case
    before = evaluate(found, truths, 3).ap
    scaled = [Found(f.boxes * factor, f.scores * factor - 1, f.labels) for f in found]
    after = evaluate(scaled, [Truth(t.boxes * factor, t.labels) for t in truths], 3).ap
    assert np.array_equal(before, after, equal_nan=True)


@given(pictures())
def test_perfect_detections_have_ap_one_and_worse_ones_added_below_change_nothing(case):
    _, truths = case
    perfect = [Found(t.boxes, np.ones(len(t.labels)), t.labels) for t in truths]
    result = evaluate(perfect, truths, 3)
    assert np.all((result.ap == 1) | (result.truths == 0))
    far = np.array([[100, 100, 101, 101]], np.float32)
    noisy = [Found(np.concatenate([f.boxes, far]), np.append(f.scores, 0.5), np.append(f.labels, 0)) for f in perfect]
    assert np.array_equal(evaluate(noisy, truths, 3).ap, result.ap, equal_nan=True)


def test_tied_scores_are_taken_in_the_order_of_images():
    here = np.array([[0, 0, 4, 4]], np.float32)
    right = Found(here, np.array([0.5]), np.array([0])), Truth(here, np.array([0]))
    wrong = Found(here, np.array([0.5]), np.array([0])), Truth(here[:0], np.zeros(0, int))
    assert evaluate([right[0], wrong[0]], [right[1], wrong[1]], 1).mean == 1.0
    assert evaluate([wrong[0], right[0]], [wrong[1], right[1]], 1).mean == 0.5


def test_bad_input_is_refused():
    none = Truth(np.zeros((0, 4)), np.zeros(0, int))
    with pytest.raises(ValueError, match="1 images but truths of 0"):
        evaluate([Found(*none[:1], np.zeros(0), none[1])], [], 1)
    bad = Found(np.array([[0, 0, 1, 1.0]]), np.array([np.nan]), np.array([0]))
    with pytest.raises(ValueError, match="NaN"):
        evaluate([bad], [none], 1)
    with pytest.raises(ValueError, match="label outside"):
        evaluate([bad._replace(scores=np.ones(1), labels=np.array([1]))], [none], 1)
    with pytest.raises(ValueError, match="matched 1 truths"):
        average_precision(np.ones(2, bool), np.ones(2), 1)
