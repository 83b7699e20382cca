"""The evaluator by rules: closed forms, a witness for every choice, and laws."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_columns import columns, found_columns, truth_columns

from minidet.metrics.by_rules import evaluate
from minidet.metrics.columns import FoundColumns, TruthColumns
from minidet.metrics.curves import average_precision, mean, rank
from minidet.metrics.rules import RULES, Rules

HALF = Rules(thresholds=(0.5,))
UNIT = [0.0, 0.0, 10.0, 10.0]
NAMES_OF_AP = ["AP", "AP50", "AP75", "APs", "APm", "APl"]
NAMES_OF_AR = ["AR1", "AR10", "AR", "ARs", "ARm", "ARl"]


def of_hits(hits: list[int], n: int, rules: Rules) -> float:
    """AP of detections that are hits or not, the best first, of ``n`` truths."""
    scores = np.linspace(0.9, 0.1, len(hits))
    return float(average_precision(rank(scores, np.array(hits, bool), n, rules), rules))


def one(truths: list[dict], found: list[tuple], rules: Rules, **numbers: int) -> float:
    """The AP of truths and detections of one class in one image (of which those are the defaults)."""
    plain = {"image": 0, "label": 0, "box": UNIT}
    size = {"images": 1, "classes": 1, **numbers}
    return evaluate(truth_columns([{**plain, **t} for t in truths], **size), found_columns(found), rules).ap()


# "k of n": n truths, the first k detections hit, and there are no others.
@pytest.mark.parametrize(
    ("hits", "n", "exact101", "coco", "ultralytics", "yolov5", "everything", "exact11", "voc07"),
    [
        ([1], 1, 1, 1, 0.995, 0.995, 1, 1, 1),
        ([1] * 3, 10, 31 / 101, 31 / 101, 0.295, 0.65, 0.3, 4 / 11, 3 / 11),
        ([1] * 7, 10, 71 / 101, 70 / 101, 0.695, 0.85, 0.7, 8 / 11, 7 / 11),
        ([1] * 6, 10, 61 / 101, 61 / 101, 0.595, 0.8, 0.6, 7 / 11, 6 / 11),
        ([1, 0, 1], 2, (51 + 50 * 2 / 3) / 101, None, 0.8283333333333333, 0.8283333333333333, 5 / 6, 28 / 33, 28 / 33),
        ([1, 1], 3, 67 / 101, 67 / 101, None, None, 2 / 3, 7 / 11, 7 / 11),
        ([0, 1], 1, 0.5, 0.5, None, None, 0.5, 0.5, 0.5),
        ([0, 1, 1], 2, 2 / 3, 2 / 3, None, None, 2 / 3, 2 / 3, 2 / 3),  # the later hit lifts the first
        ([0, 0], 1, 0, 0, 0, 0, 0, 0, 0),
        ([], 1, 0, 0, 0, 0, 0, 0, 0),
    ],
)
def test_closed_forms(hits, n, exact101, coco, ultralytics, yolov5, everything, exact11, voc07):
    rules = {
        "exact101": (exact101, HALF),
        "coco": (coco, replace(HALF, recall_bins="float")),
        "ultralytics": (ultralytics, RULES["ultralytics"]),
        "yolov5": (yolov5, RULES["yolov5"]),
        "all": (everything, RULES["voc2012"]),
        "exact11": (exact11, replace(RULES["voc2007"], recall_bins="exact")),
        "voc07": (voc07, RULES["voc2007"]),
    }
    for name, (expected, rule) in rules.items():
        if expected is not None:
            assert of_hits(hits, n, rule) == pytest.approx(expected, abs=1e-14), name


def test_of_all_quotients_to_100_it_is_29_that_miss_their_own_bin_of_coco():
    exact, floats = HALF, replace(HALF, recall_bins="float")
    wrong = [
        (k, n) for n in range(1, 101) for k in range(n + 1) if of_hits([1] * k, n, exact) != of_hits([1] * k, n, floats)
    ]
    assert len(wrong) == 29
    assert {(7, 10), (7, 20), (14, 20), (19, 20), (41, 50), (47, 50)} <= set(wrong)
    rounded = replace(HALF, recall_bins="float32")
    assert of_hits([1] * 7, 10, rounded) == 71 / 101, "float32 of .7 is less than .7"
    assert of_hits([1] * 3, 10, rounded) == 30 / 101, "float32 of .3 is more than .3"


def test_epsilon_is_felt_by_a_single_detection_alone():
    epsilon = replace(HALF, precision="epsilon")
    assert of_hits([1], 1, epsilon) == 1 / (1 + 2.0**-52) == 1 - 2.0**-52
    assert of_hits([1, 1], 2, epsilon) == 1
    assert of_hits([1], 1, HALF) == 1


def test_means_are_rounded_once():
    assert mean([Fraction(1, 10)] * 10) == 0.1, "ten times .1 is .9999999999999999 in float64"
    assert mean([Fraction(1, 3), Fraction(2, 3), Fraction(1)]) == 2 / 3
    assert math.isnan(mean([]))


# For each field: truths, detections, the values and the AP each gives, on top of HALF.
HIT = (0, 0, UNIT, 0.9)
MISS = (0, 0, [50.0, 50.0, 10.0, 10.0], 0.95)
WITNESSES = {
    "thresholds": ([{}], [(0, 0, [0.0, 0.0, 10.0, 6.0], 0.9)], {(0.5,): 1, (0.5, 0.6, 0.7, 0.8): 0.5}),
    "interpolation": ([{}, {"box": [20.0, 0.0, 5.0, 5.0]}], [HIT], {"coco101": 51 / 101, "voc11": 6 / 11, "all": 0.5}),
    "match": (
        [{"box": UNIT}, {"box": [0.0, 0.0, 10.0, 9.0]}],
        [HIT, (0, 0, UNIT, 0.8)],
        {"free": 1, "best": 51 / 101},
    ),
    "compare": ([{}], [(0, 0, [0.0, 0.0, 10.0, 5.0], 0.9)], {">=": 1, ">": 0}),
    "tie": (  # the second detection fits only the first truth
        [{"box": [0.0, 0.0, 4.0, 4.0]}, {"box": [2.0, 0.0, 4.0, 4.0]}],
        [(0, 0, [1.0, 0.0, 4.0, 4.0], 0.9), (0, 0, [0.0, 0.0, 4.0, 4.0], 0.8)],
        {"first": 51 / 101, "last": 1},
    ),
    "pixels": ([{}], [(0, 0, [3.5, 0.0, 10.0, 10.0], 0.9)], {"exclusive": 0, "inclusive": 1}),
    "crowd": (
        [{}, {"crowd": True, "box": [0.0, 0.0, 100.0, 100.0]}],
        [(0, 0, MISS[2], 0.99), HIT],
        {"ignore": 1, "drop": 0.5, "count": 51 / 101 * 0.5},
    ),
    "difficult": ([{"difficult": True}, {"box": MISS[2]}], [MISS], {"ignore": 1, "count": 51 / 101}),
    "limit": ([{}], [MISS, HIT], {1: 0, 2: 0.5, None: 0.5}),
    "score_floor": ([{}], [HIT], {None: 1, 0.9: 1, 0.91: 0}),
    "zero_area": ([{}, {"box": [3.0, 3.0, 0.0, 4.0]}], [HIT], {"count": 51 / 101, "drop": 1}),
    "zero_id": ([{"id": 0}], [HIT], {"matches": 1, "unmatched": 0}),
    "precision": ([{}], [HIT], {"exact": 1, "epsilon": 1 - 2.0**-52}),
    "score_ties": (
        [{}],
        [(0, 0, MISS[2], 0.5), (0, 0, UNIT, 0.5)],
        {"images": 0.5, "hits_first": 1, "hits_last": 0.5, "together": 0.5},
    ),
}


@pytest.mark.parametrize("field", sorted(WITNESSES))
def test_witnesses(field):
    truths, found, expected = WITNESSES[field]
    for value, ap in expected.items():
        assert one(truths, found, replace(HALF, **{field: value})) == pytest.approx(ap, abs=1e-15), value


def test_every_field_has_a_witness():
    elsewhere = {"recall_bins", "areas", "area", "absent", "limit_per"}
    assert {f.name for f in fields(Rules)} == set(WITNESSES) | elsewhere


def test_inclusive_pixels_add_one_to_every_side():
    truths, found = [{}], [(0, 0, [5.0, 0.0, 10.0, 10.0], 0.9)]
    exclusive, inclusive = 50 / 150, 66 / (242 - 66)
    for pixels, iou in (("exclusive", exclusive), ("inclusive", inclusive)):
        for threshold, ap in ((iou, 1), (iou + 1e-12, 0)):
            assert one(truths, found, replace(HALF, pixels=pixels, thresholds=(threshold,))) == ap
    touching = [(0, 0, [10.0, 10.0, 10.0, 10.0], 0.9)]
    assert one(truths, touching, replace(HALF, pixels="inclusive", thresholds=(1 / 241,))) == 1
    assert one(truths, touching, replace(HALF, thresholds=(1e-9,))) == 0
    for apart in ([15.0, 15.0, 10.0, 10.0], [15.0, 0.0, 10.0, 10.0], [0.0, 15.0, 10.0, 10.0]):
        assert one(truths, [(0, 0, apart, 0.9)], replace(HALF, thresholds=(1e-9,))) == 0
    points = [{"box": [5.0, 5.0, 0.0, 0.0]}], [(0, 0, [5.0, 5.0, 0.0, 0.0], 0.9)]
    assert one(*points, replace(HALF, pixels="inclusive", thresholds=(1.0,))) == 1
    assert one(*points, HALF) == 0


def test_a_difficult_truth_is_matched_by_any_number_in_voc_and_by_one_in_coco():
    truths = [{"difficult": True}, {"box": MISS[2]}]
    found = [(0, 0, UNIT, 0.9), (0, 0, UNIT, 0.8), (0, 0, MISS[2], 0.7)]
    for match, ap in (("best", 1), ("free", 0.5)):
        assert one(truths, found, replace(HALF, difficult="ignore", match=match)) == ap


def test_a_truth_that_counts_is_taken_before_a_better_one_that_is_ignored():
    truths = [{"difficult": True}, {"box": [0.0, 0.0, 10.0, 8.0]}]
    free = replace(HALF, difficult="ignore")
    assert one(truths, [HIT], free) == 1
    assert one(truths, [HIT], replace(free, match="best")) == 0


def test_areas_have_closed_ends_and_are_annotated_or_those_of_boxes():
    truths = truth_columns(
        [{"image": 0, "label": 0, "box": [0.0, 0.0, 100.0, 100.0], "area": 1024.0}], images=1, classes=1
    )
    found = found_columns([(0, 0, [0.0, 0.0, 100.0, 100.0], 0.9)])
    report = evaluate(truths, found, HALF)
    sizes = {area: report.ap(area=area) for area in ("all", "small", "medium")}
    assert sizes == {"all": 1, "small": 1, "medium": 1}
    assert math.isnan(report.ap(area="large"))
    boxes = evaluate(truths, found, replace(HALF, area="box"))
    assert boxes.ap(area="large") == 1
    assert math.isnan(boxes.ap(area="small"))
    without = replace(truths, area=np.array([np.nan]))
    assert evaluate(without, found, HALF).ap(area="large") == 1


def test_an_unmatched_detection_out_of_the_range_does_not_count_there():
    truths = [{"box": [0.0, 0.0, 5.0, 5.0]}]
    big = (0, 0, [50.0, 50.0, 100.0, 100.0], 0.95)
    data = truth_columns([{"image": 0, "label": 0, **truths[0]}], images=1, classes=1)
    report = evaluate(data, found_columns([big, (0, 0, truths[0]["box"], 0.9)]), HALF)
    assert report.ap() == 0.5
    assert report.ap(area="small") == 1


def test_equal_scores_are_ranked_as_given_within_an_image_and_by_image():
    hit, miss = (0, 0, UNIT, 0.5), (0, 0, MISS[2], 0.5)
    assert one([{}], [hit, miss], HALF) == 1
    assert one([{}], [miss, hit], HALF) == 0.5
    for images, ap in (((0, 1), 1), ((1, 0), 0.5)):
        rows = [(images[0], 0, UNIT, 0.5), (images[1], 0, MISS[2], 0.5)]
        assert one([{"image": images[0]}], rows, HALF, images=2) == ap
        assert one([{"image": images[0]}], rows[::-1], HALF, images=2) == ap


def test_a_limit_is_per_class_or_per_image():
    rows = [{"image": 0, "label": k, "box": UNIT} for k in range(2)]
    data = truth_columns(rows, images=1, classes=2), found_columns([(0, 0, UNIT, 0.9), (0, 1, UNIT, 0.8)])
    assert evaluate(*data, replace(HALF, limit=1)).ap() == 1
    assert evaluate(*data, replace(HALF, limit=1, limit_per="image")).ap() == 0.5


def test_a_class_without_truths_is_left_out_or_zero():
    data = truth_columns([{"image": 0, "label": 0, "box": UNIT}], images=1, classes=2), found_columns([HIT])
    report = evaluate(*data, HALF)
    assert report.ap() == 1
    assert math.isnan(report.ap(label=1))
    assert evaluate(*data, replace(HALF, absent="zero")).ap() == 0.5


def test_recall_at_a_limit_and_the_rows_of_classes():
    rows = [{"image": i, "label": 0, "box": UNIT} for i in range(2)]
    found = [(0, 0, MISS[2], 0.95), (0, 0, UNIT, 0.9), (1, 0, UNIT, 0.8)]
    report = evaluate(truth_columns(rows, images=2, classes=1), found_columns(found), HALF)
    assert (report.ar(limit=1), report.ar(limit=10), report.ar()) == (0.5, 1, 1)
    (row,) = report.per_class(["thing"])
    assert row == {
        "label": 0, "name": "thing", "truths": 2, "ignored": 0, "detections": 3,
        "ap": report.ap(), "ap50": report.ap(), "ap75": pytest.approx(math.nan, nan_ok=True), "ar": 1.0,
    }  # fmt: skip
    assert list(report.twelve()) == [*NAMES_OF_AP, *NAMES_OF_AR]
    assert report.curve(0).scores.tolist() == [0.95, 0.9, 0.8]
    assert report.curve(0).recall.tolist() == [0, 0.5, 1]
    assert report.curve(0).precision.tolist() == [0, 0.5, 2 / 3]


def test_dropped_truths_are_counted():
    rows = [{"image": 0, "label": 0, "box": b} for b in (UNIT, [1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 3.0, 0.0])]
    data = truth_columns(rows, images=1, classes=1), found_columns([])
    assert evaluate(*data, replace(HALF, zero_area="drop")).dropped == 2
    assert evaluate(*data, HALF).dropped == 0


ANY_RULES = st.sampled_from(sorted(RULES)).map(RULES.get)


def relabelled(found: FoundColumns, order: np.ndarray) -> FoundColumns:
    return FoundColumns(found.image[order], found.label[order], found.boxes[order], found.scores[order])


@given(columns(), ANY_RULES, st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_without_ties_the_order_of_detections_does_not_matter(case, rules, seed):
    truths, found = case
    rng = np.random.default_rng(seed)
    n = len(found.scores)
    distinct = replace(found, scores=(rng.permutation(n) + 1.0) / (n + 1))
    moved = relabelled(distinct, rng.permutation(n))
    assert evaluate(truths, moved, rules).precisions == evaluate(truths, distinct, rules).precisions


@given(columns(), st.integers(0, 2**32 - 1), st.sampled_from(["together", "hits_first", "hits_last"]))
@settings(max_examples=20)
def test_with_those_rules_for_ties_the_order_of_images_does_not_matter(case, seed, ties):
    truths, found = case
    order = np.random.default_rng(seed).permutation(truths.images)
    rules = replace(RULES["coco"], score_ties=ties)
    turned = replace(truths, image=order[truths.image]), replace(found, image=order[found.image])
    assert evaluate(*turned, rules).precisions == evaluate(truths, found, rules).precisions


@given(columns(), ANY_RULES)
@settings(max_examples=20)
def test_ties_lie_between_the_best_and_the_worst_order(case, rules):
    by = {ties: evaluate(*case, replace(rules, score_ties=ties)).ap() for ties in ("hits_last", "images", "hits_first")}
    assert all(math.isnan(v) for v in by.values()) or by["hits_last"] <= by["images"] <= by["hits_first"]


@given(columns(flags=False), st.sampled_from(["coco", "voc2012-exclusive", "darknet101"]), st.sampled_from([0.5, 4.0]))
@settings(max_examples=20)
def test_boxes_may_be_scaled_and_moved(case, name, factor):
    truths, found = case
    rules = replace(RULES[name], areas=(("all", 0.0, 1e10),))
    move = np.array([8.0, -16.0, 0, 0])
    scaled = [replace(c, boxes=c.boxes * factor + move) for c in case]
    assert evaluate(*scaled, rules).precisions == evaluate(truths, found, rules).precisions


@given(columns(), ANY_RULES)
@settings(max_examples=20)
def test_worse_detections_added_below_do_not_lower_exact_ap(case, rules):
    truths, found = case
    rules = replace(rules, limit=None, score_ties="images")
    more = found_columns([(0, k, [500.0, 500.0, 1.0, 1.0], -1.0) for k in range(truths.classes)])
    both = FoundColumns(
        *(np.concatenate([getattr(c, n) for c in (found, more)]) for n in ("image", "label", "boxes", "scores"))
    )
    assert evaluate(truths, both, rules).ap() == pytest.approx(
        evaluate(truths, found, rules).ap(), abs=1e-12, nan_ok=True
    )


@given(columns(), ANY_RULES)
@settings(max_examples=20)
def test_numbers_lie_between_0_and_1_and_recall_rises_with_the_limit(case, rules):
    report = evaluate(*case, rules)
    assert all(0 <= v <= 1 for v in [*report.precisions.values(), *report.recalls.values()])
    for (*key, limit), value in report.recalls.items():
        if limit == 1:
            assert value <= report.recalls[(*key, 10)]
    for ranked in report.ranked.values():
        assert ranked.hits.sum() <= max(ranked.truths, 0)


def test_what_is_wrong_is_refused():
    data = truth_columns([{"image": 0, "label": 0, "box": UNIT}], images=1, classes=1)
    for row, said in (
        ((1, 0, UNIT, 0.9), "detections: image from 0 to 0"),
        ((0, 1, UNIT, 0.9), "detections: label from 0 to 0"),
        ((0, 0, UNIT, math.nan), "scores must be finite"),
        ((0, 0, [0.0, 0.0, math.inf, 1.0], 0.9), "boxes must be finite"),
    ):
        with pytest.raises(ValueError, match=said):
            evaluate(data, found_columns([row]), HALF)
    with pytest.raises(ValueError, match="match is one of free, best"):
        Rules(match="greedy")  # type: ignore[arg-type]
    for wrong, said in (({"thresholds": ()}, "thresholds"), ({"limit": 0}, "limit"), ({"areas": ()}, "areas")):
        with pytest.raises(ValueError, match=said):
            Rules(**wrong)  # type: ignore[arg-type]


def test_data_without_anything_has_no_numbers():
    empty = TruthColumns(
        0,
        2,
        *(np.zeros(0, np.int64),) * 2,
        np.zeros((0, 4)),
        np.zeros(0),
        *(np.zeros(0, bool),) * 2,
        np.zeros(0, np.int64),
    )
    report = evaluate(empty, found_columns([]), RULES["coco"])
    assert all(math.isnan(v) for v in report.twelve().values())
