"""Our evaluator follows the suite's reference in every dialect that it has rules for."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.own_metrics import coco_ap, coco_ap_by_rules, has, polygon_mask, rules_of, voc_ap_by_rules
from support.own_targets import Here

from minidet.conformance import OPERATORS, check, profiles
from minidet.conformance.draws import DRAWS
from minidet.metrics.rules import RULES

EVALUATORS = {"coco_ap": coco_ap_by_rules, "voc_ap": voc_ap_by_rules}


def dialects(name: str) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({
        convention: st.sampled_from([v.name for v in one.values if has(convention, v.name)])
        for convention, one in OPERATORS[name].conventions.items()
    })  # fmt: skip


@pytest.mark.parametrize("name", sorted(EVALUATORS))
@given(data=st.data())
@settings(max_examples=60)
def test_the_evaluator_to_read_is_the_reference_in_any_dialect(name: str, data: st.DataObject):
    operator = OPERATORS[name]
    dialect = data.draw(dialects(name))
    inputs: dict[str, Any] = data.draw(DRAWS[name](dialect))
    if name == "voc_ap":
        rules = rules_of({**dialect, "limit_per": "image"})
        rules = type(rules)(**{**vars(rules), "limit": None})
    else:
        rules = rules_of(dialect)
    expected = operator.reference(inputs, dialect)
    assert operator.same(EVALUATORS[name](rules=rules, **inputs), expected, inputs)


@pytest.mark.parametrize(
    ("ours", "name", "profile"),
    [("pycocotools", "coco_ap", "coco"), ("voc2007", "voc_ap", "voc07"), ("voc2012", "voc_ap", "voc12")],
)
def test_rules_by_a_name_are_the_profile_of_that_program(ours: str, name: str, profile: str):
    operator, rules = OPERATORS[name], RULES[ours]
    dialect = {**operator.dialect(**profiles()[profile][name]), "no_truth": "nan"}
    verdict = check(operator, Here(partial(EVALUATORS[name], rules=rules)), dialect, examples=60)
    assert verdict.word == "conforms", verdict.found


def test_the_fast_evaluator_is_pycocotools_too():
    operator = OPERATORS["coco_ap"]
    dialect = {**operator.dialect(**profiles()["coco"]["coco_ap"]), "no_truth": "nan"}
    verdict = check(operator, Here(partial(coco_ap, rules=RULES["pycocotools"])), dialect, examples=60)
    assert verdict.word == "conforms", verdict.found


def test_outlines_by_the_rule_of_coco():
    operator = OPERATORS["polygon_mask"]
    verdict = check(operator, Here(partial(polygon_mask, rule="coco")), operator.dialect(fill="coco"), examples=100)
    assert verdict.word == "conforms", verdict.found


@pytest.mark.parametrize(
    ("hits", "of", "interpolation", "bins", "ap"),
    [
        (3, 10, "coco101", "exact", 31 / 101),
        (3, 10, "ultralytics", "exact", 0.295),
        (3, 10, "yolov5", "exact", 0.65),
        (7, 10, "coco101", "exact", 71 / 101),
        (7, 10, "coco101", "float", 70 / 101),
        (7, 10, "ultralytics", "exact", 0.695),
        (7, 10, "yolov5", "exact", 0.85),
        (1, 1, "ultralytics", "exact", 0.995),
    ],
)
def test_numbers_that_the_programs_gave(hits: int, of: int, interpolation: str, bins: str, ap: float):
    from minidet.conformance.operators.coco_ap import k_of_n

    operator = OPERATORS["coco_ap"]
    dialect = operator.dialect(interpolation=interpolation, recall_bins=bins)
    assert operator.reference(k_of_n(hits, of), dialect) == pytest.approx(np.array([ap]), abs=1e-12)


def test_an_area_at_the_upper_end_is_inside_unless_the_range_is_half_open():
    operator = OPERATORS["coco_ap"]
    (given,) = [vector.inputs for vector in operator.vectors if vector.name.startswith("an area of 1024")]
    for areas, ap in (("closed", 1), ("half_open", -1)):
        assert operator.reference(given, operator.dialect(areas=areas)) == ap
