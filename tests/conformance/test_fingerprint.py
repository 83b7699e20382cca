"""Every convention is told from its siblings; what is inferred is what the target follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidet.conformance import OPERATORS, Operator, Outcome, Vector, profiles
from minidet.conformance.fingerprint import Seen, admitted, combinations, infer, join
from minidet.conformance.operators import Refused
from minidet.conformance.telling import pairs, told

NAMES = sorted(OPERATORS)
#: Its reference takes a tenth of a second: fewer dialects are tried on it.
SLOW = "the same among 999 others"


def seen_of(operator: Operator, dialect: Mapping[str, str], *, slow: bool = True) -> list[Seen]:
    """What would be seen of a target that follows a dialect to the letter."""
    found = []
    for vector in operator.vectors:
        if vector.name == SLOW and not slow:
            continue
        inputs = vector.cast("float32")
        outcome = outcome_of(operator, inputs, dialect)
        found.append(Seen(vector, inputs, outcome, outcome, admitted(operator, vector, inputs, outcome)))
    return found


def outcome_of(operator: Operator, inputs: Mapping[str, Any], dialect: Mapping[str, str]) -> Outcome:
    answer = operator.reference(inputs, dialect)
    return Outcome("refuses") if isinstance(answer, Refused) else Outcome("answers", answer)


def dialects(operator: Operator) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(
        {name: st.sampled_from([v.name for v in c.values]) for name, c in operator.conventions.items()}
    )


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=30)
def test_the_dialect_that_a_target_follows_is_among_what_is_inferred(name: str, data: st.DataObject):
    operator = OPERATORS[name]
    dialect = data.draw(dialects(operator))
    values, unexplained = infer(operator, seen_of(operator, dialect, slow=False))
    assert not unexplained
    for convention, value in dialect.items():
        assert value in values[convention] or operator.leaves_open({convention: value})


@pytest.mark.parametrize("name", NAMES)
def test_each_pair_of_values_is_told_apart(name: str):
    """In the operator's default dialect, or where that hides it, in one of those that are one flip away."""
    operator = OPERATORS[name]
    assert [(one.convention, one.one, one.other) for one in told(operator)] == pairs(operator)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60)
def test_an_input_is_told_by_no_convention_that_it_does_not_name(name: str, data: st.DataObject):
    operator = OPERATORS[name]
    vector = data.draw(st.sampled_from([v for v in operator.vectors if v.name != SLOW]))
    told = data.draw(st.sampled_from(combinations(operator, vector.tells)))
    inputs, other = vector.cast("float32"), data.draw(dialects(operator))
    expected = operator.reference(inputs, operator.dialect(**told))
    assert operator.same(operator.reference(inputs, other | told), expected, inputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_recognised_by_what_it_does(name: str):
    operator = OPERATORS[name]
    known = {profile: ops[name] for profile, ops in profiles().items() if name in ops}
    assert known
    for profile, dialect in known.items():
        full = operator.dialect(**dialect)  # refuses names and values that do not exist
        values, unexplained = infer(operator, seen_of(operator, full, slow=False))
        assert not unexplained
        assert all(value in values[c] or operator.leaves_open({c: value}) for c, value in dialect.items()), profile


def test_the_switch_between_two_ways_of_batching_is_seen():
    operator = OPERATORS["batched_nms"]
    dialect = operator.dialect(batching="offset_if_few")
    values, _ = infer(operator, seen_of(operator, dialect))
    assert values["batching"] == ("offset_if_few",)


def test_what_nothing_known_does_is_said():
    operator = OPERATORS["nms"]
    found = []
    for one in seen_of(operator, operator.dialect()):
        outcome = Outcome("answers", np.array([0], np.int64))  # always the first alone
        found.append(
            Seen(one.vector, one.inputs, outcome, outcome, admitted(operator, one.vector, one.inputs, outcome))
        )
    values, unexplained = infer(operator, found)
    assert unexplained
    assert values["output_order"] == ()


def test_joining_keeps_what_agrees():
    a = [{"x": "1", "y": "1"}, {"x": "2", "y": "1"}]
    assert join(a, [{"x": "2", "z": "3"}]) == [{"x": "2", "y": "1", "z": "3"}]
    assert join(a, [{"x": "3"}]) == []
    assert join(a[:1], [{"x": "2", "z": "3"}]) == []
    assert join([{}], a) == a


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, 0.0], [1.0, np.nan], False),
        ([np.nan], [1.0], False),
        ([[1.0]], [1.0], False),
        ([1 + 1e-5], [1.0], False),
        ([np.inf], [np.inf], True),
        ([np.inf], [1.0], False),
        ([1.0], [np.inf], False),
    ],
)
def test_answers_are_compared_within_the_rounding_of_their_dtype(found: Any, expected: Any, same: bool):
    assert OPERATORS["iou"].same(np.array(found, np.float32), np.array(expected)) is same


def test_unknown_conventions_and_values_are_refused():
    operator = OPERATORS["nms"]
    with pytest.raises(ValueError, match=r"nms has no convention 'colour'"):
        operator.dialect(colour="red")
    with pytest.raises(ValueError, match=r"nms\.compare is one of strict, inclusive; found 'lax'"):
        operator.dialect(compare="lax")


def test_a_vector_names_conventions_that_exist():
    for operator in OPERATORS.values():
        for vector in operator.vectors:
            assert isinstance(vector, Vector)
            assert set(vector.tells) <= set(operator.conventions)
            assert vector.tells
