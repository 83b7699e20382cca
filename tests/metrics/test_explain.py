"""The parts of a difference: they add up, a field has its own part, and Shapley's do not depend on an order."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.drawn_columns import columns, found_columns, truth_columns

from minidet.metrics.by_rules import evaluate
from minidet.metrics.explain import CAUSES, Explanation, Part, differences, shapley, walk
from minidet.metrics.report import TWELVE
from minidet.metrics.rules import RULES, Rules

HERE = [0.0, 0.0, 10.0, 10.0]
NAMES = st.sampled_from(sorted(RULES))


def test_every_field_of_the_rules_is_a_cause():
    assert set(CAUSES) == {field.name for field in fields(Rules)}
    assert len(set(CAUSES.values())) == len(CAUSES)


@given(columns(), NAMES, NAMES)
@settings(max_examples=25)
def test_the_parts_add_up_exactly(case, a, b):
    assume(evaluate(*case, RULES[a]).truths.sum() and evaluate(*case, RULES[b]).truths.sum())
    found = walk(*case, RULES[a], RULES[b])
    assert found.start == Fraction(evaluate(*case, RULES[a]).ap())
    assert found.end == Fraction(evaluate(*case, RULES[b]).ap())
    assert sum(part.delta for part in found.parts) == found.total == found.end - found.start
    assert [part.field for part in found.parts] == differences(RULES[a], RULES[b])
    for places in (0, 3, 12):
        first, parts, last = found.rounded(places)
        assert first + sum(parts) == last
        assert all(
            abs(Fraction(p, 10**places) - part.delta) <= Fraction(1, 10**places)
            for p, part in zip(parts, found.parts, strict=True)
        )
        assert abs(Fraction(last, 10**places) - found.end) <= Fraction(1, 2 * 10**places)


def test_a_single_field_has_the_whole_difference():
    truths = truth_columns([{"image": 0, "label": 0, "box": HERE}], images=1, classes=1)
    found = found_columns([(0, 0, [0.0, 0.0, 10.0, 5.0], 0.9)])
    a = Rules(thresholds=(0.5,))
    for changed, delta in (
        ({"compare": ">"}, -1),
        ({"thresholds": (0.5, 0.75)}, Fraction(-1, 2)),
        ({"tie": "first"}, 0),
    ):
        (part,) = walk(truths, found, a, replace(a, **changed)).parts
        assert part.delta == delta
        assert shapley(truths, found, a, replace(a, **changed)).parts == (part,)


def test_seven_of_ten_from_coco_to_its_program_is_one_recall_bin():
    rows = [{"image": 0, "label": 0, "box": [20.0 * i, 0.0, 10.0, 10.0]} for i in range(10)]
    found = found_columns([(0, 0, row["box"], 0.9 - i / 100) for i, row in enumerate(rows[:7])])
    explanation = walk(
        truth_columns(rows, images=1, classes=1), found, RULES["coco"], RULES["pycocotools"], number="AP50"
    )
    deltas = {part.cause: float(part.delta) for part in explanation.parts}
    assert deltas["recall bins"] == pytest.approx(-1 / 101, abs=1e-15)
    assert all(value == pytest.approx(0, abs=1e-15) for cause, value in deltas.items() if cause != "recall bins")


@given(
    columns(images=2, classes=2),
    st.lists(
        st.sampled_from(["match", "compare", "pixels", "interpolation", "tie"]), min_size=2, max_size=3, unique=True
    ),
)
@settings(max_examples=12)
def test_shapley_is_the_mean_over_all_orders(case, changed):
    other = RULES["voc2007"]
    a = Rules(thresholds=(0.5,), areas=(("all", 0.0, 1e10),))
    b = replace(a, **{field: getattr(other, field) for field in changed})
    assume(evaluate(*case, a).truths.sum() and evaluate(*case, b).truths.sum())
    found = shapley(*case, a, b)
    means = dict.fromkeys(changed, Fraction(0))
    orders = list(permutations(changed))
    for order in orders:
        rules = a
        for field in order:
            after = replace(rules, **{field: getattr(b, field)})
            means[field] += Fraction(evaluate(*case, after).ap()) - Fraction(evaluate(*case, rules).ap())
            rules = after
    assert {part.field: part.delta for part in found.parts} == {f: m / len(orders) for f, m in means.items()}
    assert sum(part.delta for part in found.parts) == found.total
    turned = {part.field: -part.delta for part in shapley(*case, b, a).parts}
    assert turned == {part.field: part.delta for part in found.parts}, "the way back is the same with the other sign"


def test_fields_that_do_nothing_but_together_share_what_they_do():
    truths = truth_columns([{"image": 0, "label": 0, "box": [0.0, 0.0, 9.0, 9.0]}], images=1, classes=1)
    half = [0.0, 0.0, 4.0, 9.0]  # an IoU of exactly 1/2, of inclusive pixels
    found = found_columns([(0, 0, [50.0, 50.0, 9.0, 9.0], 0.95), (0, 0, half, 0.9)])
    a = Rules(thresholds=(0.5,), compare=">", limit=1)
    b = replace(a, compare=">=", pixels="inclusive", limit=2)
    parts = {part.field: part.delta for part in shapley(truths, found, a, b).parts}
    assert parts == dict.fromkeys(("limit", "pixels", "compare"), Fraction(1, 6))
    assert [part.delta for part in walk(truths, found, a, b).parts] == [0, 0, Fraction(1, 2)]


@pytest.mark.parametrize("number", sorted(TWELVE))
def test_every_number_can_be_explained(number):
    sizes = [10.0, 50.0, 100.0]
    rows = [{"image": 0, "label": 0, "box": [200.0 * i, 0.0, s, s]} for i, s in enumerate(sizes)]
    truths = truth_columns(rows, images=1, classes=1)
    found = found_columns([(0, 0, [b[0], b[1], b[2], b[3] * 0.8], 0.9) for b in (row["box"] for row in rows)])
    explanation = walk(truths, found, RULES["coco"], RULES["torchmetrics"], number=number)
    assert explanation.start == Fraction(evaluate(truths, found, RULES["coco"]).twelve()[number])
    assert explanation.end == Fraction(evaluate(truths, found, RULES["torchmetrics"]).twelve()[number])


def test_what_cannot_be_explained():
    truths = truth_columns([{"image": 0, "label": 0, "box": HERE}], images=1, classes=1)
    with pytest.raises(ValueError, match=r"AP75 is at an IoU of 0\.75, which is none"):
        walk(truths, found_columns([]), RULES["coco"], RULES["voc2007"], number="AP75")
    with pytest.raises(ValueError, match="APl does not exist"):
        walk(truths, found_columns([]), RULES["coco"], RULES["pycocotools"], number="APl")
    with pytest.raises(ValueError, match="differ in 13 fields"):
        shapley(truths, found_columns([]), replace(RULES["yolov5"], zero_area="drop", absent="zero"), RULES["voc2007"])


def test_rounding_gives_the_rest_to_nobody():
    third = Fraction(1, 3)
    parts = tuple(Part("match", "a", "b", third) for _ in range(3))
    assert Explanation("AP", Fraction(0), Fraction(1), parts).rounded(2) == (0, [33, 34, 33], 100)
