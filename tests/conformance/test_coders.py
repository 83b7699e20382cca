"""Coders, anchors, priors, matchers and levels: our options are conventions, faults break laws, levels are exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import own_coders as own
from support.own_targets import Here

from minidet.conformance import LAWS, OPERATORS, check, laws, profiles
from minidet.conformance.laws import Law
from minidet.conformance.laws.ask import asked
from minidet.conformance.operators.anchors import rounded_root
from minidet.conformance.operators.fpn_level import OUTSIDE, SIDE, level_of, reaches


def ours(name: str, **values: str) -> dict[str, str]:
    return OPERATORS[name].dialect(**{**profiles()["minidet"][name], **values})


def here(name: str, function: Callable[..., Any]) -> Here:
    return Here(function, 0, len(OPERATORS[name].outputs))


@pytest.mark.parametrize(("name", "function", "values"), own.OPTIONS)
def test_our_options_are_conventions(name: str, function: Callable[..., Any], values: Mapping[str, str]):
    verdict = check(OPERATORS[name], here(name, function), ours(name, **values), examples=30)
    assert verdict.word == "conforms", verdict.found


def test_level_in_float64_tells_what_is_added_where():
    for rule in ("eps_inside_1e-8", "eps_inside_1e-6", "floor", "round"):
        full = ours("fpn_level", rule=rule)
        other = here("fpn_level", lambda full=full, **inputs: OPERATORS["fpn_level"].reference(inputs, full))
        verdict = check(OPERATORS["fpn_level"], other, ours("fpn_level"), dtype="float64", variants=False)
        assert verdict.word == "diverges"
        assert verdict.found is not None
        assert {"rule": rule} in [dict(one) for one in verdict.found.flips]


# Faults, and a law that each breaks.


def encode(boxes: Any, priors: Any, variances: Any, *, more: Any = 0) -> Any:
    return own.ssd_encode(boxes, priors, variances) + more


def decode(deltas: Any, priors: Any, variances: Any, *, more: Any = 0) -> Any:
    return own.ssd_decode(deltas, priors, variances) + more


def shorter(rows: Any) -> Any:
    """The boxes, cut at x = 0, and a pixel wide at least."""
    return np.maximum(rows, np.array([0, -99, 1, -99], rows.dtype))


FAULTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "ssd_encode": {
        "translate": lambda boxes, priors, variances: own.ssd_encode(
            shorter(boxes) + np.float32([0, 0, 1, 0]), priors, variances
        ),
        "transpose": lambda **i: encode(**i, more=np.array([1, 0, 0, 0], np.float32)),
        "rows": lambda **i: encode(**i, more=i["boxes"].sum(axis=0)),
        "scale": lambda **i: encode(**i, more=(i["boxes"][:, 2:3] - i["boxes"][:, :1]) % 2),
    },
    "ssd_decode": {
        "translate": lambda **i: np.maximum(decode(**i), -1),
        "transpose": lambda **i: decode(**i, more=np.array([1, 0, 0, 0], np.float32)),
        "rows": lambda **i: decode(**i)[::-1],
        "scale": lambda **i: decode(**i, more=1),
    },
    "rcnn_encode": {
        "translate": lambda boxes, anchors, weights: own.rcnn_encode(
            shorter(boxes) + np.float32([0, 0, 1, 0]), anchors, weights
        ),
        "transpose": lambda **i: own.rcnn_encode(**i) + np.array([1, 0, 0, 0], np.float32),
        "rows": lambda **i: own.rcnn_encode(**i)[::-1],
        "scale": lambda **i: own.rcnn_encode(**{**i, "boxes": i["boxes"] + np.float32([0, 0, 1, 1])}),
    },
    "rcnn_decode": {
        "translate": lambda **i: np.maximum(own.rcnn_decode(**i), -1),
        "transpose": lambda **i: own.rcnn_decode(**i)[:, [0, 1, 2, 1]],
        "rows": lambda **i: own.rcnn_decode(**i)[::-1],
        "scale": lambda **i: own.rcnn_decode(**i) - np.float32([0, 0, 1, 1]),
    },
    "yolo_decode": {
        "transpose": lambda **i: own.yolo_decode(**{**i, "size": (i["size"][1], i["size"][1])}),
        "classes": lambda **i: (lambda b, s: (b, s / s.sum(axis=1, keepdims=True)))(*own.yolo_decode(**i)),
        "objectness": lambda **i: (lambda b, s: (b * np.round(s.max(axis=1, keepdims=True) + 0.4), s))(
            *own.yolo_decode(**i)
        ),
    },
    "anchors": {
        "grid": lambda **i: np.maximum(own.anchors(**i), 0),
        "transpose": lambda **i: own.anchors(**{**i, "ratios": 1 / i["ratios"]})[:, [0, 1, 2, 1]],
        "scale": lambda **i: own.anchors(**i) - [0, 0, 1, 1],
        "rows": lambda **i: own.anchors(**i) + i["cells"][0],
    },
    "ssd_priors": {
        "transpose": lambda **i: own.ssd_priors(**{**i, "size": (i["size"][1], i["size"][1])}),
        "scale": lambda **i: own.ssd_priors(**{**i, "small": i["small"] + 1}),
        "rows": lambda **i: own.ssd_priors(**i, own_step=False),
        "sides": lambda **i: np.maximum(own.ssd_priors(**i), 0),
    },
    "match": {
        "translate": lambda **i: own.rcnn_match(**{**i, "anchors": np.maximum(i["anchors"], 0)}),
        "transpose": lambda **i: own.rcnn_match(**{**i, "truths": i["truths"] * np.float32([1, 0.5, 1, 1])}),
        "thresholds": lambda **i: own.rcnn_match(**i) % max(len(i["truths"]) - (i["high"] < 1), 1),
        "scale": lambda **i: own.rcnn_match(**{**i, "anchors": i["anchors"] + np.float32([0, 0, 1, 1])}),
        "far truth": lambda **i: own.rcnn_match(**i, untouched="all"),
        "far anchor": lambda **i: own.rcnn_match(**i) - (len(i["anchors"]) > 2),
    },
    "ssd_match": {
        "translate": lambda **i: own.ssd_match(**{**i, "priors": np.maximum(i["priors"], 0)}),
        "transpose": lambda **i: own.ssd_match(**{**i, "truths": i["truths"] * np.float32([1, 0.5, 1, 1])}),
        "thresholds": lambda **i: own.ssd_match(**i) % max(len(i["truths"]) - (i["threshold"] < 1), 1),
        "scale": lambda **i: own.ssd_match(**{**i, "priors": i["priors"] + np.float32([0, 0, 1, 1])}),
        "far prior": lambda **i: own.ssd_match(**i) - (len(i["priors"]) > 2),
    },
    "fpn_level": {
        "translate": lambda **i: own.level(**{**i, "boxes": np.maximum(i["boxes"], 0)}),
        "transpose": lambda **i: own.level(**{**i, "boxes": i["boxes"][:, [0, 0, 2, 2]]}),
        "scale": lambda **i: np.minimum(own.level(**i), 4),
        "grow": lambda **i: -own.level(**i),
        "rows": lambda **i: own.level(**i)[::-1] if len(i["boxes"]) > 1 else own.level(**i) + 1,
    },
}


def _every() -> list[tuple[str, Law]]:
    return [(name, law) for name in FAULTS for law in LAWS[name]]


@pytest.mark.parametrize(("name", "law"), [pytest.param(n, one, id=f"{n}-{one.name}") for n, one in _every()])
def test_each_law_is_broken_by_a_fault(name: str, law: Law):
    said = asked(law, OPERATORS[name], here(name, FAULTS[name][law.name]), ours(name), examples=60)
    assert said.word == "broken"


def test_no_convention_breaks_a_law_that_it_does_not_suspend():
    for name, values in (
        ("ssd_encode", {"code": "corner"}),
        ("ssd_decode", {"clip": "unit", "clamp": "log_62.5"}),
        ("rcnn_decode", {"width": "inclusive", "clip": "pixels"}),
        ("yolo_decode", {"order": "anchors", "xy": "double", "wh": "square"}),
        ("anchors", {"base": "legacy", "offset": "middle"}),
        ("ssd_priors", {"clip": "corners", "sides": "fractions", "centre": "map", "sizes": "truncated"}),
        ("match", {"low_quality": "one_first", "untouched": "all", "ties": "highest"}),
        ("ssd_match", {"forced": "bipartite", "untouched": "left", "compare": "strict"}),
        ("fpn_level", {"rule": "round", "numbering": "index"}),
    ):
        operator, full = OPERATORS[name], ours(name, **values)
        reference = here(name, lambda operator=operator, full=full, **inputs: operator.reference(inputs, full))
        found = laws(operator, reference, full, examples=6)
        assert [(one.law.name, one.inputs) for one in found if one.word not in ("holds", "suspended")] == []


# What is decided exactly.


@given(st.integers(0, 10**9), st.integers(1, 10**4))
def test_a_root_is_rounded_as_the_squares_say(number: int, below: int):
    square = Fraction(number, below)
    whole = rounded_root(square)
    assert max(Fraction(2 * whole - 1, 2), Fraction(0)) ** 2 <= square <= Fraction(2 * whole + 1, 2) ** 2


def test_halves_are_rounded_to_even():
    assert [rounded_root(Fraction(n * n, 4)) for n in (1, 3, 5, 7)] == [0, 2, 2, 4]


@given(st.integers(-10, 12), st.fractions(min_value=Fraction(1, 10**6), max_value=2, max_denominator=10**6))
def test_a_level_is_what_its_logarithm_says(level: int, share: Fraction):
    area = share * SIDE**2 * Fraction(4) ** (level - 4)
    exact = 4 + (math.log2(area.numerator) - math.log2(area.denominator)) / 2 - math.log2(SIDE)
    for rule, added in (("floor", 0.0), ("eps_outside", 1e-6)):
        if abs(exact + added - round(exact + added)) > 1e-9:
            assert level_of(area, -20, 20, rule) == min(max(math.floor(exact + added), -20), 20)
    if abs(exact % 1 - 0.5) > 1e-9:
        assert level_of(area, -20, 20, "round") == min(max(round(exact), -20), 20)


def test_at_the_edge_of_a_level():
    at = SIDE**2
    assert [reaches(at - 1, 4, rule) for rule in ("floor", "eps_outside", "eps_inside_1e-8")] == [False] * 3
    assert [reaches(at, 4, rule) for rule in ("floor", "eps_outside", "eps_inside_1e-8")] == [True] * 3
    assert level_of(2 * at, 2, 5, "round") == 4  # 4.5, to even
    assert level_of(8 * at, 2, 6, "round") == 6  # 5.5
    assert math.isclose(float(OUTSIDE), 2**-2e-6, rel_tol=1e-15)
    assert level_of(0, 2, 5, "eps_inside_1e-6") == 2
