"""Search for an input on which a target departs from a dialect; shrink it; name the conventions that would explain it.

The verdict is one word:

=====================  ===============================================================================================
``conforms``           every drawn input was answered as the dialect's reference answers
``diverges``           an input was not; ``flips`` are the smallest changes of the dialect with which it would be
``refuses``            the target raised an error on an input that the dialect answers
``crashes``, ``hangs`` its process ended, or it did not return in time
``nondeterministic``   the same input twice had two answers
``changes its input``  it answered rightly, and wrote into what it was given
=====================  ===============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from .operators import REFUSED, Answer, Dialect, Operator, Vector
from .search import smallest
from .target import Caller, Outcome

#: At most so many conventions are changed at once to explain a counterexample.
MOST_FLIPS = 2


@dataclass(frozen=True)
class Counterexample:
    """The smallest input found, what the dialect ``expects``, and what the target made of it at two calls."""

    inputs: Mapping[str, Any]
    expects: Answer
    outcome: Outcome
    again: Outcome
    flips: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Verdict:
    """The ``word``, how many inputs were ``tried``, the dialect, and the counterexample where there is one."""

    operator: Operator
    target: str
    dialect: Dialect
    word: str
    tried: int
    found: Counterexample | None


def check(
    operator: Operator, target: Caller, dialect: Dialect, *, examples: int = 200, dtype: str = "float32", seed: int = 0
) -> Verdict:
    """Draw ``examples`` inputs and compare; ends at the first departure, shrunk.

    ``dialect`` must be full (`Operator.dialect`).  The same seed draws the same inputs.
    """
    from .draw import DRAWS

    seen: list[tuple[Mapping[str, Any], Outcome, Outcome]] = []

    def departs(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        outcome, again = target.call(cast), target.call(cast)
        if word(operator, dialect, cast, outcome, again) == "conforms":
            return False
        seen.append((cast, outcome, again))
        return True

    tried, found = smallest(DRAWS[operator.name](dialect), departs, examples=examples, seed=seed)
    if not found:
        return Verdict(operator, target.name, dialect, "conforms", tried, None)
    inputs, outcome, again = seen[-1]
    expects = operator.reference(inputs, dialect)
    said = word(operator, dialect, inputs, outcome, again)
    flips = explain(operator, dialect, inputs, outcome) if said in ("diverges", "refuses") else ()
    example = Counterexample(inputs, expects, outcome, again, flips)
    return Verdict(operator, target.name, dialect, said, tried, example)


def word(operator: Operator, dialect: Dialect, given: Mapping[str, Any], outcome: Outcome, again: Outcome) -> str:
    """The verdict on one input."""
    for one in (outcome, again):
        if one.kind in ("crashes", "hangs"):
            return one.kind
    first, second = outcome.answer, again.answer
    if first is None or second is None:
        if outcome.kind != again.kind:
            return "nondeterministic"
    elif first.shape != second.shape or first.tobytes() != second.tobytes():
        return "nondeterministic"
    if operator.same(REFUSED if first is None else first, operator.reference(given, dialect)):
        return "changes its input" if outcome.changed else "conforms"
    return "refuses" if first is None else "diverges"


def explain(
    operator: Operator, dialect: Dialect, given: Mapping[str, Any], outcome: Outcome
) -> tuple[Mapping[str, str], ...]:
    """All smallest changes of the dialect with which the reference gives the target's answer; none if nothing does."""
    answer = REFUSED if outcome.answer is None else outcome.answer
    for count in range(1, MOST_FLIPS + 1):
        found = []
        for names in combinations(operator.conventions, count):
            others = [[v.name for v in operator.conventions[n].values if v.name != dialect[n]] for n in names]
            for values in product(*others):
                change = dict(zip(names, values, strict=True))
                if operator.same(answer, operator.reference(given, {**dialect, **change})):
                    found.append(change)
        if found:
            return tuple(found)
    return ()
