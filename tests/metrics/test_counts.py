"""Precision, recall, F1 and confusion against closed forms and plain counting."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_columns import columns, found_columns, truth_columns

from minidet.metrics.by_rules import evaluate
from minidet.metrics.counts import at_score, best_f1, confusion, together
from minidet.metrics.curves import Ranked
from minidet.metrics.rules import RULES, Rules

HALF = Rules(thresholds=(0.5,))
RANKED = Ranked(np.array([0.9, 0.8, 0.8, 0.5]), np.array([True, False, True, True]), 4)
HERE, AWAY = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 10.0, 10.0]


def test_counts_at_a_score_include_it():
    counts = at_score(RANKED, 0.8)
    assert (counts.right, counts.wrong, counts.missed) == (2, 1, 2)
    assert (counts.precision, counts.recall, counts.f1) == (2 / 3, 1 / 2, 4 / 7)
    assert at_score(RANKED, 0.9).right == 1
    none = at_score(RANKED, 0.95)
    assert math.isnan(none.precision)
    assert (none.recall, none.f1) == (0, 0)


def test_the_best_f1_takes_all_of_equal_scores():
    assert best_f1(RANKED) == at_score(RANKED, 0.5)
    split = Ranked(np.array([0.9, 0.9, 0.1]), np.array([True, False, False]), 1)
    assert best_f1(split).score == 0.9
    assert best_f1(split).f1 == 2 / 3, "cutting between the two of .9 would give 1"
    worse = Ranked(np.array([0.9, *[0.8] * 5]), np.array([True, True, False, False, False, False]), 3)
    assert best_f1(worse).score == 0.9, "the first of .8 alone would be better, all of them are worse"
    same = Ranked(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 5)
    assert best_f1(same).score == 0.7
    flat = Ranked(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, False, True]), 2)
    assert best_f1(flat).score == 0.9, "2/3 is reached twice: the higher score"


def test_the_best_f1_of_nothing_right():
    for nothing in (Ranked(np.zeros(0), np.zeros(0, bool), 3), Ranked(np.ones(1), np.zeros(1, bool), 3)):
        best = best_f1(nothing)
        assert (best.right, best.wrong, best.missed, best.score) == (0, 0, 3, math.inf)


@given(columns(), st.sampled_from([0.0, 0.3, 0.5, 0.8]))
@settings(max_examples=30)
def test_classes_together_add_up_and_no_score_is_better_than_the_best(case, score):
    report = evaluate(*case, HALF)
    rankings = [report.curve(k) for k in range(3)]
    whole = at_score(together(rankings), score)
    parts = [at_score(r, score) for r in rankings]
    assert (whole.right, whole.wrong, whole.missed) == tuple(
        sum(getattr(p, name) for p in parts) for name in ("right", "wrong", "missed")
    )
    for ranked in (*rankings, together(rankings)):
        best = best_f1(ranked).f1
        assert all(not at_score(ranked, s).f1 > best for s in ranked.scores.tolist())


def test_confusion_of_a_small_scene():
    truths = truth_columns(
        [
            {"image": 0, "label": 0, "box": HERE},
            {"image": 0, "label": 1, "box": AWAY},
            {"image": 1, "label": 1, "box": HERE},
            {"image": 1, "label": 0, "box": AWAY, "crowd": True},
        ],
        images=2,
        classes=2,
    )
    found = found_columns(
        [
            (0, 0, HERE, 0.9),  # right
            (0, 1, HERE, 0.95),  # overlaps as much and is more certain: it is paired
            (0, 0, AWAY, 0.2),  # under the score
            (1, 0, HERE, 0.8),  # taken for the other class
            (1, 1, [20.0, 20.0, 5.0, 5.0], 0.7),  # nothing is there
            (1, 1, AWAY, 0.7),  # a crowd is, whatever the class
        ]
    )
    expected = [[0, 1, 0], [1, 0, 1], [1, 1, 0]]
    assert confusion(truths, found, HALF, score=0.5).tolist() == expected
    counted = confusion(truths, found, replace(HALF, crowd="count"), score=0.5)
    assert counted.tolist() == [[0, 2, 0], [1, 0, 1], [1, 1, 0]]
    assert confusion(truths, found, replace(HALF, crowd="drop"), score=0.5)[-1].tolist() == [1, 2, 0]


def test_the_greatest_overlap_is_paired_first_each_once():
    truths = truth_columns(
        [{"image": 0, "label": 0, "box": HERE}, {"image": 0, "label": 1, "box": [0.0, 0.0, 10.0, 8.0]}],
        images=1,
        classes=2,
    )
    found = found_columns([(0, 0, [0.0, 0.0, 10.0, 9.0], 0.9), (0, 1, HERE, 0.8)])
    # IoUs: .9 and 8/9 of the first, 1 and .8 of the second, which takes the first truth though its class is the other
    assert confusion(truths, found, HALF, score=0).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert confusion(truths, found, HALF, score=0, iou=0.95).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


@given(columns(), st.sampled_from(["coco", "voc2012", "yolov5"]), st.sampled_from([0.0, 0.5]))
@settings(max_examples=40)
def test_rows_add_up_to_the_truths_and_nobody_is_counted_twice(case, name, score):
    truths, found = case
    table = confusion(truths, found, RULES[name], score=score)
    report = evaluate(truths, found, RULES[name])
    assert table[:-1].sum(axis=1).tolist() == report.truths.tolist()
    assert table[-1, -1] == 0
    taken = [int(((found.label == k) & (found.scores >= score)).sum()) for k in range(3)]
    assert (table[:, :-1].sum(axis=0) <= taken).all()
    if not (truths.crowd.any() or truths.difficult.any()) and name == "coco":
        assert table[:, :-1].sum(axis=0).tolist() == taken


@given(columns(classes=1))
@settings(max_examples=30)
def test_with_perfect_detections_the_matrix_is_diagonal(case):
    truths, _ = case
    plain = replace(truths, crowd=np.zeros(len(truths.ids), bool))
    solid = (plain.boxes[:, 2:] > 0).all(axis=1)
    rows = [(int(i), int(k), b.tolist(), 1.0) for i, k, b in zip(plain.image, plain.label, plain.boxes, strict=True)]
    table = confusion(plain, found_columns(rows), replace(HALF, zero_area="drop"), score=0)
    assert table[0, 0] == solid.sum()
    assert table[0, 1] == 0
    assert table[1, 0] == pytest.approx((~solid).sum())
