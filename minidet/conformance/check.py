"""Search for an input on which a target departs from a dialect; shrink it; name the conventions that would explain it.

The verdict is one word or a few:

===========================  =========================================================================================
``conforms``                 every drawn input was answered as the dialect's reference answers
``unspecified``              so too, but for another order of ties, which the dialect leaves open
``conforms to a variant``    an input was not, and in the dialect that explains it every input is
``diverges``                 an input was not; ``flips`` are the smallest changes of the dialect with which it would be
``rejects``                  the target raised an error on an input that the dialect answers
``crashes``, ``hangs``       its process ended, or it did not return in time
``nondeterministic``         the same input twice had two answers
``changes its input``        it answered rightly, and wrote into what it was given
===========================  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

from .answers import identical
from .operators import REFUSED, Answer, Dialect, Operator, Vector
from .search import smallest
from .target import Caller, Outcome

#: At most so many conventions are changed at once to explain a counterexample.
MOST_FLIPS = 2
#: Verdicts with which a target passes.
PASSES = ("conforms", "unspecified")


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
    """The ``word``, how many inputs were ``tried``, the dialect, and the counterexample where there is one.

    ``undecided`` and ``unspecified`` count inputs answered otherwise than by the reference, and legally; ``left_out``
    those that were not asked, by why.
    """

    operator: Operator
    target: str
    dialect: Dialect
    word: str
    tried: int
    found: Counterexample | None
    undecided: int = 0
    unspecified: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


Skip = Callable[[Mapping[str, Any]], str]


def check(
    operator: Operator,
    target: Caller,
    dialect: Dialect,
    *,
    examples: int = 200,
    dtype: str = "float32",
    seed: int = 0,
    skip: Skip | None = None,
    variants: bool = True,
) -> Verdict:
    """Draw ``examples`` inputs and compare; ends at the first departure, shrunk.

    ``dialect`` must be full (`Operator.dialect`).  The same seed draws the same inputs.  ``skip`` names why an input is
    not asked, or gives ""; ``variants`` looks for a dialect that explains everything, where one input has shown that
    this one does not.
    """
    verdict = _search(operator, target, dialect, examples, dtype, seed, skip)
    if variants and verdict.word in ("diverges", "rejects") and verdict.found is not None:
        for change in (*verdict.found.flips, *opening(operator, dialect)):
            other = _search(operator, target, {**dialect, **change}, examples, dtype, seed, skip, shrink=False)
            if other.word in PASSES:
                found = replace(verdict.found, flips=(change,))
                return replace(verdict, word="conforms to a variant", found=found)
    return verdict


def opening(operator: Operator, dialect: Dialect) -> list[Mapping[str, str]]:
    """The changes that leave one thing open which the dialect settles: a target may do now this and now that."""
    every = [{name: value.name} for name, c in operator.conventions.items() for value in c.values if value.open]
    return [change for change in every if not operator.leaves_open({name: dialect[name] for name in change})]


def _search(
    operator: Operator,
    target: Caller,
    dialect: Dialect,
    examples: int,
    dtype: str,
    seed: int,
    skip: Skip | None,
    *,
    shrink: bool = True,
) -> Verdict:
    from .draws import DRAWS

    seen: list[tuple[Mapping[str, Any], Outcome, Outcome]] = []
    counts = {"undecided": 0, "unspecified": 0}
    left_out: dict[str, int] = {}

    def departs(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        if skip is not None and (why := skip(cast)):
            left_out[why] = left_out.get(why, 0) + 1
            return False
        outcome, again = target.call(cast), target.call(cast)
        said = word(operator, dialect, cast, outcome, again)
        if said in ("conforms", "undecided", "unspecified"):
            if said in counts:
                counts[said] += 1
            return False
        seen.append((cast, outcome, again))
        return True

    tried, found = smallest(DRAWS[operator.name](dialect), departs, examples=examples, seed=seed, shrink=shrink)
    if not found:
        said = "unspecified" if counts["unspecified"] else "conforms"
        return Verdict(operator, target.name, dialect, said, tried, None, **counts, left_out=left_out)
    inputs, outcome, again = seen[-1]
    expects = operator.reference(inputs, dialect)
    said = word(operator, dialect, inputs, outcome, again)
    flips = explain(operator, dialect, inputs, outcome) if said in ("diverges", "rejects") else ()
    example = Counterexample(inputs, expects, outcome, again, flips)
    return Verdict(operator, target.name, dialect, said, tried, example, **counts, left_out=left_out)


def word(operator: Operator, dialect: Dialect, given: Mapping[str, Any], outcome: Outcome, again: Outcome) -> str:
    """The verdict on one input; "undecided" where the answer is right within the rounding that is left open."""
    for one in (outcome, again):
        if one.kind in ("crashes", "hangs"):
            return one.kind
    first, second = outcome.answer, again.answer
    if first is None or second is None:
        if outcome.kind != again.kind:
            return "nondeterministic"
    elif not identical(first, second):
        return "nondeterministic"
    judged = operator.judge(REFUSED if first is None else first, given, dialect)
    if judged:
        return "changes its input" if outcome.changed else "conforms" if judged == "same" else judged
    return "rejects" if first is None else "diverges"


def explain(
    operator: Operator, dialect: Dialect, given: Mapping[str, Any], outcome: Outcome
) -> tuple[Mapping[str, str], ...]:
    """All smallest changes of the dialect with which the reference gives the target's answer; none if nothing does.

    A value that leaves open what another settles is named only where the other does not explain it.
    """
    answer = REFUSED if outcome.answer is None else outcome.answer
    for count in range(1, MOST_FLIPS + 1):
        found = []
        for names in combinations(operator.conventions, count):
            others = [[v.name for v in operator.conventions[n].values if v.name != dialect[n]] for n in names]
            for values in product(*others):
                change = dict(zip(names, values, strict=True))
                if operator.judge(answer, given, {**dialect, **change}):
                    found.append(change)
        if found:
            return tuple([one for one in found if not operator.leaves_open(one)] or found)
    return ()
