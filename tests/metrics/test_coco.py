"""The fast evaluator of COCO: by a small rational definition, by ``by_rules``, and every quirk by an example."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import encode
from minidet_kernels.overlap import shares
from support.drawn_columns import columns, found_columns, truth_columns
from support.drawn_masks import with_keypoints, with_masks

from minidet.metrics import by_rules
from minidet.metrics import coco as module
from minidet.metrics.coco import coco, rules_for
from minidet.metrics.coco_report import CocoReport, exact_mean
from minidet.metrics.columns import FoundColumns, TruthColumns, as_columns
from minidet.metrics.rules import RULES

EXACT = RULES["coco"]


def truths(*rows: dict[str, Any], images: int = 1, classes: int = 1) -> TruthColumns:
    plain = {"image": 0, "label": 0, "box": [0, 0, 10, 10]}
    return truth_columns([{**plain, **row} for row in rows], images=images, classes=classes)


def found(*rows: tuple[list[float], float], image: int = 0) -> FoundColumns:
    return found_columns([(image, 0, box, score) for box, score in rows])


def one_row(hits: str) -> tuple[TruthColumns, FoundColumns]:
    """An image for each letter, in the order of scores: a hit (x), a miss (.), or a truth that is not found (o)."""
    boxes = {"x": [0, 0, 10, 10], ".": [50, 0, 10, 10]}
    rows = [{"image": i} for i, letter in enumerate(hits) if letter in "xo"]
    dets = [(i, 0, boxes[letter], 1 - i / 100) for i, letter in enumerate(hits) if letter != "o"]
    return truths(*rows, images=len(hits)), found_columns(dets)


# --- by definition ----------------------------------------------------------------------------------------------------


def by_definition(hits: str) -> Fraction:
    """The mean, over the recalls 0, .01, ... 1, of the best precision at that recall or a later one; 0 beyond."""
    n = hits.count("x") + hits.count("o")
    ranked = [letter == "x" for letter in hits if letter != "o"]
    points = [
        (Fraction(sum(ranked[:k]), n), Fraction(sum(ranked[:k]), k)) for k in range(1, len(ranked) + 1)
    ]  # recall, precision
    tops = [max([p for r, p in points if r >= Fraction(i, 100)], default=Fraction(0)) for i in range(101)]
    return sum(tops, Fraction(0)) / 101


@given(st.text("xo.", min_size=1, max_size=30).filter(lambda text: {"x", "o"} & {*text}))
def test_exact_ap_is_the_rational_number_rounded_once(hits):
    report = coco(*one_row(hits))
    assert report.ap() == report.ap(0.5) == report.ap(0.95) == float(by_definition(hits))
    n = hits.count("x") + hits.count("o")
    assert report.ar() == report.ar(limit=1) == float(Fraction(hits.count("x"), n))
    assert np.array_equal(report.precision[0, :, 0, 0, -1], report.hits[0, :, 0, 0, -1] / report.taken[0, :, 0, 0, -1])


@given(st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 2**30)), min_size=1, max_size=30))
def test_means_of_quotients_are_rounded_once(pairs):
    above, below = np.array(pairs).T
    expected = sum((Fraction(p, q) for p, q in pairs), Fraction(0)) / len(pairs)
    assert exact_mean(above, below) == float(expected)


RULE = st.fixed_dictionaries(
    {
        "thresholds": st.sampled_from([EXACT.thresholds, RULES["pycocotools"].thresholds, (0.5,), (0.75, 0.5)]),
        "recall_bins": st.sampled_from(["exact", "float", "float32"]),
        "precision": st.sampled_from(["exact", "exact", "epsilon"]),
        "compare": st.sampled_from([">=", ">"]),
        "tie": st.sampled_from(["first", "last"]),
        "pixels": st.sampled_from(["exclusive", "exclusive", "inclusive"]),
        "crowd": st.sampled_from(["ignore", "ignore", "drop", "count"]),
        "difficult": st.sampled_from(["ignore", "count"]),
        "limit": st.sampled_from([None, 1, 2, 100]),
        "area": st.sampled_from(["annotated", "box"]),
        "score_floor": st.sampled_from([None, None, 0.5]),
        "zero_area": st.sampled_from(["count", "drop"]),
        "zero_id": st.sampled_from(["matches", "unmatched"]),
    }
)


@given(case=columns(), changes=RULE)
def test_agrees_with_the_evaluator_to_read_in_every_rule(case, changes):
    rules = replace(EXACT, **changes)
    ours, theirs = coco(*case, rules), by_rules.evaluate(*case, rules)
    same = np.testing.assert_array_equal if rules.precision == "exact" else np.testing.assert_allclose
    tolerance: dict[str, float] = {} if rules.precision == "exact" else {"rtol": 0, "atol": 1e-14}
    same(list(ours.numbers().values()), list(theirs.twelve().values()), **tolerance)
    for mine, other in zip(ours.per_class(), theirs.per_class(), strict=True):
        assert list(mine) == list(other)
        same([mine[key] for key in mine if key != "name"], [other[key] for key in mine if key != "name"], **tolerance)
    assert ours.dropped == theirs.dropped


def test_equal_scores_are_ranked_by_their_images():
    """The hit stands first among the rows, and belongs to the second image, so the miss comes before it."""
    box = [[1.0, 1.0, 4.0, 4.0]]
    t = TruthColumns(2, 1, **as_columns(
        image=[1], label=[0], boxes=box, area=[16], crowd=[0], difficult=[0], ids=[1],
    ))  # fmt: skip
    f = FoundColumns(**as_columns(image=[1, 0], label=[0, 0], boxes=box * 2, scores=[0.5, 0.5]))
    assert coco(t, f).ap() == by_rules.evaluate(t, f, RULES["coco"]).ap() == 0.5


@given(case=columns(), data=st.data(), threads=st.integers(1, 3))
def test_shares_of_threads_and_the_order_of_rows_change_nothing(case, data, threads):
    t, f = case
    expected = coco(t, f)
    order = np.argsort(-f.scores, kind="stable")
    t_order = np.argsort(t.label, kind="stable")
    mixed = FoundColumns(f.image[order], f.label[order], f.boxes[order], f.scores[order])
    names = ("image", "label", "boxes", "area", "crowd", "difficult", "ids")
    by_label = TruthColumns(t.images, t.classes, *(getattr(t, name)[t_order] for name in names))
    with (
        mock.patch.object(module, "SHARE", 1),
        mock.patch("minidet.metrics.coco_near.SHARE", 1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=threads),
    ):
        got = coco(by_label, mixed)
    for name in ("precision", "recall", "scores", "found", "truths", "detections"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


@given(case=columns(), data=st.data())
def test_masks_that_fill_their_boxes_are_boxes(case, data):
    """Integer boxes, their masks full: the same but for what has no area, which masks draw not and boxes count."""
    t, f = case
    whole = [replace(c, boxes=np.maximum(np.floor(np.minimum(c.boxes, 6)), [0, 0, 1, 1])) for c in (t, f)]

    def full(c: TruthColumns | FoundColumns) -> list[Any]:
        out = []
        for i in range(t.images):
            masks = np.zeros(((c.image == i).sum(), 12, 12), bool)
            for mask, (x, y, w, h) in zip(masks, c.boxes[c.image == i].astype(int), strict=True):
                mask[y : y + h, x : x + w] = True
            out.append(encode(masks))
        return out

    drawn = [replace(c, masks=full(c)) for c in whole]
    mine, boxes = coco(*drawn, kind="masks"), coco(*whole)
    np.testing.assert_array_equal(mine.precision, boxes.precision)
    np.testing.assert_array_equal(mine.recall, boxes.recall)


# --- every difference between exact and quirk, and every rule, by an example ------------------------------------------


def ap(case: tuple[TruthColumns, FoundColumns], **changes: Any) -> float:
    return coco(*case, replace(EXACT, **changes)).ap(0.5)


def test_recall_bins():
    """7 of 10 found, the seventh after three misses: as float64 7/10 is below linspace's .7000000000000001."""
    case = one_row("xxxxxx...x" + "ooo")
    assert ap(case) * 101 == pytest.approx(61 + 10 * 0.7)
    assert ap(case, recall_bins="float") * 101 == pytest.approx(61 + 9 * 0.7)
    assert ap(case, recall_bins="float32") * 101 == pytest.approx(60 + 11 * 0.7)  # .6 in float32 is above .6


def test_epsilon():
    assert ap(one_row("x")) == 1
    quirk = coco(*one_row("x"), "pycocotools")
    assert (quirk.precision[:, :, 0, 0, -1] == 1 - 2**-52).all()
    assert 0 < 1 - quirk.ap() < 1e-15
    assert coco(*one_row("xx"), "pycocotools").ap() == 1  # 2 + 2^-52 is rounded to 2


def test_thresholds():
    """The ninth is .9 when exact, and .8999999999999999 as linspace makes it, which an IoU just below .9 reaches."""
    for side, exact, quirk in ((0.9, 1, 1), (np.nextafter(0.9, 0), 0, 1), (0.89, 0, 0)):
        case = truths({"box": [0, 0, 1, 1]}), found(([0, 0, side, 1], 0.5))
        assert [round(coco(*case, name).ap(0.9)) for name in ("coco", "pycocotools")] == [exact, quirk]


def test_zero_id():
    case = truths({"id": 0}), found(([0, 0, 10, 10], 0.5))
    assert (ap(case), ap(case, zero_id="unmatched")) == (1, 0)


def test_ties_of_overlap_and_compare():
    """Two truths that overlap alike: the last is taken, so the next detection, which only has the first, is a hit."""
    case = (
        truths({"box": [0, 0, 10, 10]}, {"box": [0, 10, 10, 10]}),
        found(([0, 0, 10, 20], 0.9), ([0, 0, 10, 10], 0.8)),
    )
    assert ap(case) == 1
    assert ap(case, tie="first") < 0.6
    assert ap(case, compare=">") == pytest.approx(51 / 101 / 2)


def test_crowds():
    """A detection within a crowd is not counted, however many there are."""
    case = (
        truths({"box": [0, 0, 40, 40], "crowd": True}, {"box": [50, 0, 10, 10]}),
        found(*[([x, 0, 10, 10], 0.9) for x in (0, 10, 20)], ([50, 0, 10, 10], 0.5)),
    )
    assert ap(case) == 1
    assert ap(case, crowd="drop") == pytest.approx(1 / 4)
    assert ap(case, crowd="count") == pytest.approx(1 / 4 * 51 / 101)


def test_areas_have_both_their_ends():
    case = truths({"area": 1024.0, "box": [0, 0, 32, 32]}), found(([0, 0, 32, 32], 0.5))
    report = coco(*case)
    assert [report.ap(area=name) for name in ("all", "small", "medium")] == [1, 1, 1]
    assert np.isnan(report.ap(area="large"))
    beside = coco(case[0], found(([50, 0, 96, 96], 0.9), ([0, 0, 32, 32], 0.5)))
    assert [beside.ap(area=name) for name in ("all", "small", "medium")] == [0.5, 1, 0.5]


def test_area_not_given_is_that_of_the_box_or_mask():
    t, f = truths({"box": [0, 0, 8, 8]}), found(([0, 0, 8, 8], 0.5))
    assert coco(t, f).truths[0].tolist() == [1, 1, 0, 0]
    mask = np.ones((1, 100, 100), bool)
    both = [replace(c, masks=[encode(mask)]) for c in (t, f)]
    assert coco(*both, kind="masks").truths[0].tolist() == [1, 0, 0, 1]
    assert coco(*both, replace(EXACT, area="box"), "masks").truths[0].tolist() == [1, 1, 0, 0]


def test_scores_are_those_at_which_a_recall_is_reached():
    report = coco(*one_row(".xox"))
    expected = [1.0] + [0.99] * 33 + [0.97] * 33 + [0.0] * 34
    assert report.scores[0, :, 0, 0, -1].tolist() == expected


def test_a_class_without_truths_has_no_ap():
    report = coco(truths({}, classes=3), found(([0, 0, 10, 10], 0.5)))
    assert report.ap() == 1
    assert np.isnan(report.ap(label=1))
    assert (report.precision[:, :, 1:] == -1).all()
    assert (report.recall[:, 1:] == -1).all()
    assert (report.scores[:, :, 1:] == -1).all()
    assert report.stats().tolist() == [1, 1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1]
    assert np.isnan(coco(truths(), found()).ap())


def test_limits():
    t = truths(*[{"box": [20 * i, 0, 10, 10]} for i in range(20)])
    f = found(*[([20 * i, 0, 10, 10], 1 - i / 100) for i in range(20)])
    report = coco(t, f)
    assert report.limits == (1, 10, 100)
    assert [report.ar(limit=n) for n in (1, 10, 100)] == [0.05, 0.5, 1]
    assert [coco(t, f, replace(EXACT, limit=n)).ar() for n in (3, None)] == [0.15, 1]


# --- keypoints --------------------------------------------------------------------------------------------------------


def person(**changes: Any) -> dict[str, Any]:
    return {"box": [0, 0, 100, 100], "area": 2000.0} | changes


def test_keypoints_by_hand():
    """A nose that is off by d: exp(-d^2 / (2 area (2 sigma)^2)); points that are not annotated count for nothing."""
    points = np.zeros((1, 17, 3))
    points[0, 0] = 30, 40, 2
    t = replace(truths(person()), keypoints=points)
    off = points + np.array([0, 1.0, 0])
    off[0, 1:] = 1e6
    similarity = np.exp(-1 / (2 * 2000 * (2 * 0.026) ** 2))
    rules = replace(rules_for("coco", "keypoints"), thresholds=(similarity - 1e-9, similarity + 1e-9))
    report = coco(t, replace(found(([0, 0, 1, 1], 0.5)), keypoints=off), rules, "keypoints")
    assert report.recall[:, 0, 0, 0].tolist() == [1, 0]
    assert list(report.numbers()) == ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"]


def test_persons_without_keypoints_do_not_count():
    points = np.zeros((1, 17, 3))
    t = replace(truths(person()), keypoints=points)
    f = replace(found(([0, 0, 1, 1], 0.5)), keypoints=points + 20)
    report = coco(t, f, "coco", "keypoints")
    assert (report.truths == 0).all()
    both = replace(truths(person(), person()), keypoints=np.concatenate([points, points + 1]))
    assert coco(both, f, "coco", "keypoints").ap() == 0


def test_rules_of_keypoints():
    rules = rules_for("coco", "keypoints")
    assert rules.limit == 20
    assert [name for name, _, _ in rules.areas] == ["all", "medium", "large"]
    assert rules_for("coco") == EXACT


# --- refusals ---------------------------------------------------------------------------------------------------------

T, F = truths({}, images=2), found(([0, 0, 10, 10], 0.5))
MASKS = [encode(np.ones((1, 4, 4), bool)), encode(np.zeros((0, 4, 4), bool))]
POINTS = np.ones((1, 17, 3))


@pytest.mark.parametrize(
    ("t", "f", "options", "says"),
    [
        (T, F, {"rules": RULES["voc2012"]}, "rules with match 'best' are not COCO's"),
        (T, F, {"rules": replace(EXACT, interpolation="all")}, "interpolation 'all'"),
        (T, F, {"rules": replace(EXACT, score_ties="together")}, "score_ties 'together'"),
        (T, F, {"rules": replace(EXACT, limit_per="image")}, "limit_per 'image'"),
        (T, F, {"rules": replace(EXACT, absent="zero")}, "absent 'zero'"),
        (T, F, {"rules": replace(EXACT, thresholds=tuple(np.linspace(0.1, 0.9, 63)))}, "at most 62 thresholds"),
        (T, F, {"kind": "box"}, "kind must be one of boxes, masks, keypoints, not 'box'"),
        (T, replace(F, image=np.array([2])), {}, "detections: image from 0 to 1 was expected, found 2 to 2"),
        (T, replace(F, label=np.array([-1])), {}, "detections: label from 0 to 0 was expected, found -1 to -1"),
        (replace(T, image=np.array([5])), F, {}, "truths: image from 0 to 1"),
        (T, replace(F, scores=np.array([np.nan])), {}, "scores must be finite"),
        (T, replace(F, boxes=np.array([[0, 0, np.inf, 1]])), {}, "detections: boxes must be finite"),
        (T, F, {"kind": "masks"}, "truths: there are no masks"),
        (replace(T, masks=MASKS), F, {"kind": "masks"}, "detections: there are no masks"),
        (replace(T, masks=MASKS[:1]), F, {"kind": "masks"}, "truths: masks of 2 images were expected, found 1"),
        (replace(T, masks=MASKS[::-1]), F, {"kind": "masks"}, "truths: 1 masks of image 0 were expected, found 0"),
        (
            replace(T, masks=MASKS),
            replace(F, masks=[encode(np.ones((1, 4, 5), bool)), MASKS[1]]),
            {"kind": "masks"},
            "masks of image 0 are (4, 5) (height, width), those of its truths (4, 4)",
        ),
        (T, F, {"kind": "keypoints"}, "truths: there are no keypoints"),
        (replace(T, keypoints=POINTS), F, {"kind": "keypoints"}, "detections: there are no keypoints"),
        (replace(T, keypoints=POINTS[:, :5]), F, {"kind": "keypoints"}, "shape (1, 17, 3) were expected, one for each"),
        (
            replace(T, keypoints=POINTS),
            replace(F, keypoints=POINTS * np.nan),
            {"kind": "keypoints"},
            "keypoints must be finite",
        ),
    ],
)
def test_refusals(t, f, options, says):
    with pytest.raises(ValueError, match=r".") as caught:
        coco(t, f, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_refused_by_the_report():
    report = coco(T, F)
    with pytest.raises(ValueError, match="area must be one of all, small, medium, large, not 'tiny'"):
        report.ap(area="tiny")
    with pytest.raises(ValueError, match="limit must be one of 1, 10, 100, not 7"):
        report.ar(limit=7)


@given(case=columns(), data=st.data())
def test_inputs_are_left_as_they_were(case, data):
    for kind, (t, f) in (
        ("boxes", case),
        ("masks", with_masks(data.draw, *case)),
        ("keypoints", with_keypoints(data.draw, *case)),
    ):
        arrays = [value for c in (t, f) for value in vars(c).values() if isinstance(value, np.ndarray)]
        before = [value.copy() for value in arrays]
        for value in arrays:
            value.flags.writeable = False
        report = coco(t, f, kind=kind)
        assert isinstance(report, CocoReport)
        for value, old in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(value, old)


def test_what_counts_is_taken_first_and_the_rest_is_not_counted():
    """Of two truths in one place one is small: there the second detection finds the other, which does not count."""
    t = truths({"area": 500.0}, {"area": 2000.0})
    report = coco(t, found(([0, 0, 10, 10], 0.9), ([0, 0, 10, 10], 0.8)))
    assert report.found[0, 0, :, -1].tolist() == [2, 1, 1, 0]
    assert [report.ap(area=name) for name in ("all", "small", "medium")] == [1, 1, 1]
