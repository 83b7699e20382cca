"""From a target's answers to the conventions that it follows.

Each telling input admits those combinations of values for which the reference gives the target's answer.  Inputs are
joined one by one; what is left is every dialect that explains all that was seen.  An input that no combination
explains, or that contradicts the others, is set aside and named: there the target follows none of the known values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..errors import InputError
from .answers import identical
from .conventions import profiles
from .operators import REFUSED, Answer, Operator, Vector
from .target import Caller, Outcome

Combination = Mapping[str, str]


@dataclass(frozen=True)
class Seen:
    """One telling input, what the target made of it, and the combinations that explain that."""

    vector: Vector
    inputs: Mapping[str, Any]
    outcome: Outcome
    again: Outcome
    admits: tuple[Combination, ...]

    @property
    def steady(self) -> bool:
        """Was the second answer the first, bit for bit?"""
        first, second = self.outcome, self.again
        if first.answer is None or second.answer is None:
            return first.kind == second.kind
        return identical(first.answer, second.answer)


@dataclass(frozen=True)
class Fingerprint:
    """``values``: of each convention those that explain all that was seen; none, where nothing known does.

    ``seen`` is the evidence, ``unexplained`` the part of it that no known dialect explains.
    """

    operator: Operator
    target: str
    dtype: str
    values: Mapping[str, tuple[str, ...]]
    seen: tuple[Seen, ...]
    unexplained: tuple[Seen, ...]

    def admits(self, convention: str, value: str) -> bool:
        """Is the value among those found, or does it leave open what they settle?"""
        return value in self.values[convention] or self.operator.leaves_open({convention: value})

    def profiles(self) -> tuple[str, ...]:
        """Well-known implementations whose conventions for this operator are among the values found, or open."""
        name = self.operator.name
        return tuple(
            profile
            for profile, operators in profiles().items()
            if name in operators and all(self.admits(c, value) for c, value in operators[name].items())
        )


def fingerprint(operator: Operator, target: Caller, *, dtype: str = "float32") -> Fingerprint:
    """Run every telling input twice on a target, and infer its conventions.

    Raises `InputError` for a target that refuses them all: then it is called wrongly, or is another operator.
    """
    seen = tuple(look(operator, target, vector, dtype) for vector in operator.vectors)
    if all(one.outcome.kind == "refuses" for one in seen):
        raise InputError(
            f"{target.name} refuses every input, the first by {seen[0].outcome.reason}; it is called as {operator.call}"
        )
    values, unexplained = infer(operator, seen)
    return Fingerprint(operator, target.name, dtype, values, seen, unexplained)


def look(operator: Operator, target: Caller, vector: Vector, dtype: str) -> Seen:
    """One telling input."""
    inputs = vector.cast(dtype)
    outcome, again = target.call(inputs), target.call(inputs)
    return Seen(vector, inputs, outcome, again, admitted(operator, vector, inputs, outcome))


def combinations(operator: Operator, names: Sequence[str]) -> list[dict[str, str]]:
    """Every choice of values for these conventions."""
    choices = [[value.name for value in operator.conventions[name].values] for name in names]
    return [dict(zip(names, one, strict=True)) for one in product(*choices)]


def admitted(
    operator: Operator, vector: Vector, inputs: Mapping[str, Any], outcome: Outcome
) -> tuple[Combination, ...]:
    """The values, of the conventions that the input tells, with which the reference answers as the target did."""
    if outcome.kind in ("crashes", "hangs"):
        return ()
    found = REFUSED if outcome.answer is None else outcome.answer

    def explains(one: Combination, expected: Answer) -> bool:
        if operator.same(found, expected, inputs):
            return True
        return operator.leaves_open(one) and bool(operator.judge(found, inputs, operator.dialect(**one)))

    return tuple(one for one, expected in _expected(operator, vector, inputs) if explains(one, expected))


_Expected = list[tuple[Combination, Answer]]
_known: dict[tuple[int, int, str], tuple[Operator, Vector, _Expected]] = {}


def _expected(operator: Operator, vector: Vector, inputs: Mapping[str, Any]) -> _Expected:
    """What the reference answers to a telling input in each of its dialects, computed once for each dtype."""
    dtypes = {str(value.dtype) for value in inputs.values() if isinstance(value, np.ndarray)}
    key = (id(operator), id(vector), " ".join(sorted(dtypes)))
    if key not in _known:
        every = combinations(operator, vector.tells)
        answers: _Expected = [(one, operator.reference(inputs, operator.dialect(**one))) for one in every]
        _known[key] = operator, vector, answers  # they are held, so that nothing else gets their ids
    return _known[key][2]


def infer(operator: Operator, seen: Sequence[Seen]) -> tuple[dict[str, tuple[str, ...]], tuple[Seen, ...]]:
    """Values of each convention, and what they do not explain.

    The inputs that admit least come first, so that the clearest evidence is not what is set aside.
    """
    left: list[Combination] = [{}]
    unexplained: list[Seen] = []
    for one in sorted(seen, key=lambda s: len(s.admits) / max(len(combinations(operator, s.vector.tells)), 1)):
        joined = join(left, one.admits)
        if joined:
            left = joined
        else:
            unexplained.append(one)
    lost = {name for one in unexplained for name in one.vector.tells}
    left = [one for one in left if not operator.leaves_open(one)] or left
    values = {}
    for name, convention in operator.conventions.items():
        every = tuple(value.name for value in convention.values)
        still = {one[name] for one in left if name in one}
        still = still or set(every)  # no input that was explained speaks of it
        if name in lost and len(still) == len(every):
            still = set()
        values[name] = tuple(value for value in every if value in still)
    return values, tuple(unexplained)


def join(left: Sequence[Combination], right: Sequence[Combination]) -> list[Combination]:
    """Combinations of both sides that agree where they speak of the same."""
    found = {}
    for a in left:
        for b in right:
            if all(a.get(name, value) == value for name, value in b.items()):
                both = {**a, **b}
                found[tuple(sorted(both.items()))] = both
    return list(found.values())
