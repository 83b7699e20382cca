"""Proposals and detections on arrays: by definition, by the rules' differences, and where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import nms

from minidet.boxes import rcnn
from minidet.boxes.convert import clip
from minidet.boxes.encoding import LARGEST
from minidet.boxes.rcnn import ANCHOR_VARIANCES, BOX_VARIANCES, best, box_targets, decode_boxes, propose, select
from minidet.errors import InputError

SIZE = (40, 60)


def boxes_of(rng, count, dtype=np.float64):
    """Boxes that touch, coincide and leave the image; some without a side."""
    corner, side = rng.integers(-10, 60, (count, 2)), rng.integers(0, 30, (count, 2))
    return np.concatenate([corner, corner + side], axis=1).astype(dtype)


@given(seed=st.integers(0, 9999), count=st.integers(0, 12))
def test_best_is_the_head_of_a_stable_sort(seed, count):
    scores = np.random.default_rng(seed).integers(-3, 3, 9).astype("f4")
    assert best(scores, count).tolist() == np.argsort(-scores, kind="stable")[:count].tolist()


@given(seed=st.integers(0, 9999), variances=st.sampled_from([ANCHOR_VARIANCES, BOX_VARIANCES]))
def test_targets_are_what_decoding_undoes(seed, variances):
    rng = np.random.default_rng(seed)
    a, b = (boxes_of(rng, 6) + np.array([0, 0, 1, 1]) for _ in range(2))  # with sides
    np.testing.assert_allclose(decode_boxes(box_targets(a, b, variances), b, variances), a, atol=1e-9)


def test_decoding_by_hand_and_its_limit():
    prior = np.array([[10.0, 20, 30, 60]])  # 20 wide, 40 high, around (20, 40)
    assert decode_boxes(np.zeros((1, 4)), prior).tolist() == prior.tolist()
    moved = decode_boxes(np.array([[10.0, 5, 0, 0]]), prior)  # a width to the right, half a height down
    np.testing.assert_allclose(moved, [[30, 40, 50, 80]])
    wide = decode_boxes(np.array([[0.0, 0, 99, 0]]), prior)
    assert wide[0, 2] - wide[0, 0] == pytest.approx(20 * 1000 / 16)
    assert np.exp(LARGEST) == pytest.approx(62.5)
    classes = decode_boxes(np.zeros((3, 1, 4)), prior)
    assert classes.shape == (3, 1, 4)


def level(rng, count, dtype="f4"):
    """Logits with ties, differences with some that are huge, anchors."""
    logits = rng.integers(-4, 5, count).astype(dtype)
    deltas = (rng.integers(-8, 9, (count, 4)) / 8).astype(dtype)
    deltas[rng.random(count) < 0.1, 2:] = 50
    corner = rng.integers(-5, 50, (count, 2))
    return logits, deltas, np.concatenate([corner, corner + rng.integers(1, 20, (count, 2))], axis=1).astype(dtype)


def by_loops(levels, size, before, after, threshold, score):
    """Torchvision's rule, a level at a time, one box after the other."""
    rows, first = [], 0
    for number, (logits, deltas, anchors) in enumerate(levels):
        some = []
        for i in sorted(range(len(logits)), key=lambda i: -logits[i])[:before]:
            (box,) = clip(decode_boxes(deltas[i : i + 1], anchors[i : i + 1], ANCHOR_VARIANCES), size)
            value = 1 / (1 + np.exp(-logits[i]))
            if min(box[2] - box[0], box[3] - box[1]) >= np.float32(1e-3) and value >= np.float32(score):
                some.append((value, box, number, first + i))
        values, boxes = np.array([s[0] for s in some]), np.array([s[1] for s in some]).reshape(-1, 4)
        rows += [some[k] for k in nms(boxes, values, threshold=threshold)] if some else []
        first += len(logits)
    return sorted(rows, key=lambda row: -row[0])[:after]


@given(
    seed=st.integers(0, 9999), before=st.integers(1, 12), after=st.integers(1, 20),
    threshold=st.sampled_from([0.3, 0.7]), score=st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_proposals_are_those_of_loops(seed, before, after, threshold, score):
    rng = np.random.default_rng(seed)
    levels = [level(rng, count) for count in (20, 5, 1)]
    copies = [[a.copy() for a in one] for one in levels]
    made = propose(*zip(*levels, strict=True), SIZE, before=before, after=after, threshold=threshold, score=score)
    wanted = by_loops(levels, SIZE, before, after, threshold, score)
    assert made.anchor[made.kept].tolist() == [row[3] for row in wanted]
    assert made.levels[made.kept].tolist() == [row[2] for row in wanted]
    np.testing.assert_allclose(made.boxes, np.array([row[1] for row in wanted]).reshape(-1, 4))
    np.testing.assert_allclose(made.scores, [row[0] for row in wanted], rtol=1e-6)
    np.testing.assert_array_equal(made.before[made.kept], made.boxes)
    for one, copy in zip(levels, copies, strict=True):
        for a, b in zip(one, copy, strict=True):
            np.testing.assert_array_equal(a, b)


@given(seed=st.integers(0, 9999), rule=st.sampled_from(rcnn.RULES), threshold=st.sampled_from([0.0, 0.3, 0.7]))
def test_every_suppressed_proposal_has_its_suppressor(seed, rule, threshold):
    """The first kept one that overlaps it too much: no better kept one does."""
    rng = np.random.default_rng(seed)
    levels = [level(rng, count) for count in (20, 9)]
    made = propose(*zip(*levels, strict=True), SIZE, before=15, after=3, threshold=threshold, rule=rule)
    by = made.suppressors()
    kept = set(made.passed.tolist())
    overlap = iou_matrix(made.before, made.before)
    limit = np.float32(threshold)
    for i, one in enumerate(by):
        assert (one == -1) == (i in kept)
        if one != -1:
            assert one in kept
            assert made.levels[one] == made.levels[i]
            assert made.before_scores[one] >= made.before_scores[i]
            assert made.before_scores[one] > made.before_scores[i] or one < i  # of equal ones the first is taken first
            assert overlap[one, i] > limit
            better = [k for k in made.passed if made.levels[k] == made.levels[i]]
            assert not (overlap[better[: better.index(one)], i] > limit).any()


def test_rules_told_apart():
    """Logits 17 to 20 have one sigmoid in float32: by sigmoids the first wins, by logits the best (conventions, 7)."""
    logits = [np.array([17, 18, 19, 20], "f4")]
    deltas, anchors = (
        [np.zeros((4, 4), "f4")],
        [np.array([[0, 0, 10, 10]] * 4, "f4") + np.arange(4, dtype="f4")[:, None]],
    )
    by_sigmoid = propose(logits, deltas, anchors, SIZE, threshold=0.4)
    by_logit = propose(logits, deltas, anchors, SIZE, threshold=0.4, rule="detectron2")
    assert by_sigmoid.anchor[by_sigmoid.kept].tolist() == by_logit.anchor[by_logit.kept].tolist() == [3, 0]
    assert by_logit.scores.tolist() == [1, 1]
    # a box of no width in the image, and one of half of a thousandth: only torchvision asks for a thousandth
    thin = [np.array([[5, 5, 5.0005, 9], [-9, 5, -3, 9]], "f4")]
    arguments = ([np.zeros(2, "f4")], [np.zeros((2, 4), "f4")], thin, SIZE)
    assert len(propose(*arguments).boxes) == 0
    assert len(propose(*arguments, rule="detectron2").boxes) == 1
    assert len(
        propose([np.zeros(1, "f4")], [np.zeros((1, 4), "f4")], [thin[0][:1]], SIZE, score=0.5, rule="detectron2").boxes
    )


def test_ties_of_logits_are_broken_by_the_index_of_the_candidate():
    """Suppression sees candidates in the order of their logits: where sigmoids are equal, the better logit stays."""
    anchors = [np.array([[0, 0, 10, 10], [1, 0, 11, 10]], "f4")]
    made = propose([np.array([17, 20], "f4")], [np.zeros((2, 4), "f4")], anchors, SIZE, threshold=0.5)
    assert made.before_scores.tolist() == [1, 1]
    assert made.anchor[made.kept].tolist() == [1]


def test_a_score_of_exactly_the_threshold_is_kept_as_a_proposal_and_not_as_a_detection():
    anchors = [np.array([[0, 0, 10, 10]], "f4")]
    assert len(propose([np.zeros(1, "f4")], [np.zeros((1, 4), "f4")], anchors, SIZE, score=0.5).boxes) == 1
    logits = np.zeros((1, 2), "f4")
    assert len(select(logits, np.zeros((1, 8), "f4"), anchors[0], SIZE, score=0.5).boxes) == 0
    assert len(select(logits, np.zeros((1, 8), "f4"), anchors[0], SIZE, score=0.49).boxes) == 1


@given(seed=st.integers(0, 9999), most=st.integers(1, 8))
def test_detections_class_by_class(seed, most):
    """Each class's boxes by its own differences, suppressed among themselves; the best of all; 'nothing' is none."""
    rng = np.random.default_rng(seed)
    proposals = boxes_of(rng, 7, "f4")
    logits = rng.integers(-2, 3, (7, 4)).astype("f4")
    deltas = (rng.integers(-8, 9, (7, 16)) / 8).astype("f4")
    made = select(logits, deltas, proposals, SIZE, score=0.1, threshold=0.4, most=most)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = []
    for c in range(1, 4):
        boxes = clip(decode_boxes(deltas[:, 4 * c : 4 * c + 4], proposals), SIZE)
        sides = boxes[:, 2:] - boxes[:, :2]
        some = np.flatnonzero((probability[:, c] > np.float32(0.1)) & (sides >= np.float32(0.01)).all(axis=1))
        for k in some[nms(boxes[some], probability[some, c], threshold=0.4)] if len(some) else ():
            wanted.append((-probability[k, c], k, c - 1, boxes[k]))
    wanted.sort(key=lambda row: row[:3])
    assert len(made.boxes) == min(most, len(wanted))
    assert made.scores.tolist() == sorted(made.scores.tolist(), reverse=True)
    np.testing.assert_allclose(made.scores, [-row[0] for row in wanted[:most]], rtol=1e-6)
    rows = {(row[1], row[2]): row[3] for row in wanted}
    for box, label, proposal in zip(made.boxes, made.labels, made.proposal, strict=True):
        np.testing.assert_allclose(box, rows[proposal, label], rtol=1e-5, atol=1e-4)


def test_nothing_in_nothing_out():
    empty = [np.zeros(0, "f4")], [np.zeros((0, 4), "f4")], [np.zeros((0, 4), "f4")]
    for rule in rcnn.RULES:
        made = propose(*empty, SIZE, rule=rule)
        assert made.boxes.shape == (0, 4)
        assert made.suppressors().shape == (0,)
    found = select(np.zeros((0, 4), "f4"), np.zeros((0, 16), "f4"), np.zeros((0, 4), "f4"), SIZE)
    assert found.boxes.shape == (0, 4)
    assert found.labels.shape == (0,)


def test_infinite_boxes_are_cut_by_one_rule_and_left_out_by_the_other():
    deltas = np.array([[np.inf, 0, 0, 0]], "f4")
    arguments = ([np.zeros(1, "f4")], [deltas], [np.array([[0, 0, 9, 9]], "f4")], SIZE)
    for rule in rcnn.RULES:
        assert len(propose(*arguments, rule=rule).boxes) == 0  # of no width in the image
    tall = np.array([[0, 0, 0, np.inf]], "f4")  # cut by the limit of what is exponentiated
    assert propose(arguments[0], [tall], arguments[2], SIZE).boxes.tolist() == [[0, 0, 9, 40]]


def test_nan_is_an_error_and_unknown_rules_are():
    logits, deltas, anchors = [np.zeros(2, "f4")], [np.zeros((2, 4), "f4")], [np.ones((2, 4), "f4")]
    bad = [np.array([np.nan, 0], "f4")]
    with pytest.raises(InputError, match="gave 1 NaN for its proposals"):
        propose(bad, deltas, anchors, SIZE)
    with pytest.raises(InputError, match="gave NaN for its boxes"):
        select(np.array([[np.nan, 0]]), np.zeros((1, 8)), np.ones((1, 4)), SIZE)
    with pytest.raises(ValueError, match="rule is one of"):
        propose(logits, deltas, anchors, SIZE, rule="caffe2")


def test_detectron2_compares_logits():
    """The best of two levels: the greater logit, where by sigmoids, both 1, it is that of the finer level."""
    logits, deltas = [np.array([17], "f4"), np.array([20], "f4")], [np.zeros((1, 4), "f4")] * 2
    anchors = [np.array([[0, 0, 9, 9]], "f4"), np.array([[20, 20, 29, 29]], "f4")]
    levels = {}
    for rule in rcnn.RULES:
        made = propose(logits, deltas, anchors, SIZE, after=1, rule=rule)
        levels[rule] = made.levels[made.kept].tolist()
        assert made.scores.tolist() == [1]
    assert levels == {"torchvision": [0], "detectron2": [1]}
