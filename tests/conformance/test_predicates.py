"""Predicates on inputs: each is true of what it says and of nothing else; no other words are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.conformance import OPERATORS
from minidet.conformance.predicates import VOCABULARY, leaving_out, of_these, parse
from minidet.errors import InputError

NMS = OPERATORS["nms"]


def inputs(
    boxes: Any = ((0, 0, 2, 2), (1, 0, 3, 2)), scores: Any = (0.5, 0.25), threshold: float = 0.5
) -> dict[str, Any]:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return {"boxes": rows, "scores": np.array(scores, np.float32), "threshold": threshold}


#: Of each word: an input of which it holds, and one of which it does not that is as near as can be.
CASES = {
    "has_nan": (inputs(scores=(np.nan, 0.5)), inputs(scores=(np.inf, 0.5))),
    "has_infinity": (inputs(scores=(np.inf, 0.5)), inputs(scores=(np.nan, 0.5))),
    "has_nothing": (inputs((), ()), inputs(((0, 0, 1, 1),), (1,))),
    "has_fractions": (inputs(((0, 0, 1.5, 2),), (1,)), inputs(scores=(0.3, 0.7))),
    "has_empty_box": (inputs(((0, 0, 0, 2),), (1,)), inputs(((2, 2, 0, 0),), (1,))),
    "has_inverted_box": (inputs(((0, 2, 2, 0),), (1,)), inputs(((0, 0, 0, 0),), (1,))),
    "has_equal_boxes": (inputs(((0, 0, 2, 2),) * 2), inputs(((0, 0, 2, 2), (0, 0, 2, 1)))),
    "below_zero": (inputs(((-1, 0, 2, 2),), (1,)), inputs(((0, 0, 2, 2),), (-1,))),
    "all_below_zero": (inputs(((-3, -3, -1, -1),), (1,)), inputs(((-3, -3, -1, 0),), (1,))),
    "beyond(100)": (inputs(((-101, 0, 2, 2),), (1,)), inputs(((-100, 0, 100, 2),), (200,))),
    "has_ties": (inputs(scores=(0.5, 0.5)), inputs(((0, 0, 2, 2),) * 2)),
    "meets_threshold": (inputs(threshold=1 / 3), inputs(threshold=0.33333)),
    "more_than(2)": (inputs(((0, 0, 1, 1),) * 3, (1, 1, 1)), inputs()),
    "equals(threshold, 0.5)": (inputs(), inputs(threshold=0.25)),
    "at_least(threshold, 0.5)": (inputs(), inputs(threshold=0.25)),
    "at_most(scores, 0.25)": (inputs(), inputs(scores=(0.5, 0.3))),
}


@pytest.mark.parametrize("text", CASES)
def test_it_holds_of_what_it_says(text: str):
    yes, no = CASES[text]
    holds, otherwise = parse(text).bind(NMS), parse(f"not {text}").bind(NMS)
    assert holds(yes)
    assert not holds(no)
    assert not otherwise(yes)
    assert otherwise(no)


def test_every_word_is_tried_above():
    tried = {parse(text).word.means for text in CASES}
    assert tried == {word.means for name, word in VOCABULARY.items() if name != "several_classes"}


def test_classes_are_of_batches():
    batched = {**inputs(), "classes": np.array([0, 1])}
    holds = parse("several_classes").bind(OPERATORS["batched_nms"])
    assert holds(batched)
    assert not holds({**batched, "classes": np.array([1, 1])})


def test_the_boxes_of_regions_stand_behind_their_image():
    roi_align = OPERATORS["roi_align"]
    given = {**roi_align.vectors[0].inputs, "rois": np.array([[3, 0, 0, 2, 2]], np.float32)}
    assert not parse("below_zero").bind(roi_align)(given)
    assert parse("has_empty_box").bind(roi_align)({**given, "rois": np.array([[3, 1, 1, 1, 2]], np.float32)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour", "'colour' is no predicate; there are has_nan"),
        ("__import__('os')", "is no predicate"),
        ("more_than", "expected more_than(n), where the first array has more than n rows"),
        ("more_than(many)", "expected more_than(n)"),
        ("has_ties(3)", "expected has_ties, where"),
        ("at_least(threshold)", "expected at_least(NAME, x)"),
        ("several_classes", "nms has no classes; its inputs are boxes, scores, threshold"),
        ("equals(sampling_ratio, 0)", "nms has no sampling_ratio"),
        ("", "is no predicate"),
    ],
)
def test_what_is_none_is_one_line(text: str, said: str):
    with pytest.raises(InputError) as found:
        parse(text).bind(NMS)
    assert said in str(found.value)
    assert "\n" not in str(found.value)


def test_boxes_are_asked_of_operators_that_have_some():
    with pytest.raises(InputError, match="max_pool2d has no boxes"):
        parse("below_zero").bind(OPERATORS["max_pool2d"])


def test_the_first_that_holds_is_why_an_input_is_left_out():
    skip = leaving_out(NMS, ["more_than(5)", "has_ties", "not more_than(1)"])
    assert skip(inputs()) == ""
    assert skip(inputs(scores=(1, 1))) == "has_ties"
    assert skip(inputs(((0, 0, 1, 1),), (1,))) == "not more_than(1)"


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 4), max_size=4), st.sampled_from([0.0, 0.5, 1.0]), st.randoms())
def test_those_that_are_named_of_an_input_hold_of_it(boxes: list, threshold: float, random: Any):
    """And those that are not named do not."""
    one = inputs(boxes, [random.choice([0.25, 0.5, np.nan]) for _ in boxes], threshold)
    named = of_these(NMS, one)
    for name, word in VOCABULARY.items():
        if not word.takes and name != "several_classes":
            assert (name in named) == parse(name).bind(NMS)(one)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_they_can_be_asked_of_every_telling_input_of_every_operator(name: str):
    operator = OPERATORS[name]
    for vector in operator.vectors:
        assert set(of_these(operator, vector.cast("float32"))) <= set(VOCABULARY)
