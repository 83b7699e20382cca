"""Every law of an operator asked of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import InputError, one_line
from ..check import Skip
from ..operators import REFUSED, Answer, Dialect, Inputs, Operator, Vector
from ..search import smallest
from ..target import Caller, Outcome
from . import coders, layers, maps, metrics, overlap, suppression
from .law import Law

LAWS: Mapping[str, tuple[Law, ...]] = MappingProxyType(
    {name: laws for part in (overlap, suppression, maps, coders, layers, metrics) for name, laws in part.LAWS.items()}
)


@dataclass(frozen=True)
class LawVerdict:
    """``word``: "holds", "broken", "suspended" by a convention, or "crashes" or "hangs"; ``inputs``, ``got`` and
    ``wanted`` where it is broken; no ``wanted`` where the answer has not even the form of one (``reason``).  ``calls``
    are those by which it was seen, with their answers.
    """

    law: Law
    word: str
    tried: int = 0
    inputs: Inputs | None = None
    got: Answer | None = None
    wanted: Answer | None = None
    reason: str = ""
    calls: tuple[tuple[Inputs, Answer], ...] = ()


class _StoppedError(Exception):
    """The target crashed or hung."""


def laws(
    operator: Operator,
    target: Caller,
    dialect: Dialect,
    *,
    examples: int = 100,
    dtype: str = "float32",
    seed: int = 0,
    skip: Skip | None = None,
) -> list[LawVerdict]:
    """Every law of the operator, asked of ``examples`` drawn inputs; ``dialect`` says which are suspended.

    ``skip`` names why an input is not asked, or gives "".
    """
    return [
        asked(law, operator, target, dialect, examples=examples, dtype=dtype, seed=seed, skip=skip)
        for law in LAWS[operator.name]
    ]


def asked(
    law: Law,
    operator: Operator,
    target: Caller,
    dialect: Dialect,
    *,
    examples: int = 100,
    dtype: str = "float32",
    seed: int = 0,
    skip: Skip | None = None,
) -> LawVerdict:
    """One law."""
    from ..draws import DRAWS

    if any(dialect[name] in values for name, values in law.but.items()):
        return LawVerdict(law, "suspended", reason=", ".join(f"{n}={dialect[n]}" for n in law.but))
    seen: list[tuple[Inputs, Answer | None, Answer | None, str, tuple[tuple[Inputs, Answer], ...]]] = []
    calls: list[tuple[Inputs, Answer]] = []
    stopped: list[tuple[str, Outcome, Inputs]] = []

    def call(inputs: Inputs) -> Answer:
        outcome = target.call(inputs)
        if outcome.kind in ("crashes", "hangs"):
            stopped.append((outcome.kind, outcome, inputs))
            raise _StoppedError
        answer = REFUSED if outcome.answer is None else outcome.answer
        calls.append((inputs, answer))
        return answer

    def broken(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        if skip is not None and skip(cast):
            return False
        if operator.leaves_open(dialect) and _ties(cast):  # two calls may have two answers, both right
            return False
        if stopped:  # enough is known: nothing more is asked
            return True
        calls.clear()
        try:
            got, wanted = law.ask(call, cast)
        except _StoppedError:
            return True
        except InputError:
            raise
        except (IndexError, TypeError, ValueError) as error:  # of indices that are none, or another shape
            seen.append((cast, None, None, f"the answer has not the form of one: {one_line(error)}", tuple(calls)))
            return True
        if operator.same(got, wanted, cast):
            return False
        seen.append((cast, got, wanted, "", tuple(calls)))
        return True

    tried, found = smallest(DRAWS[operator.name](dialect), broken, examples=examples, seed=seed)
    if stopped:
        kind, outcome, inputs = stopped[-1]
        return LawVerdict(law, kind, inputs=inputs, reason=outcome.reason)
    if not found:
        return LawVerdict(law, "holds", tried)
    inputs, got, wanted, reason, told = seen[-1]
    return LawVerdict(law, "broken", tried, inputs, got, wanted, reason, told)


def _ties(inputs: Inputs) -> bool:
    """Are two scores equal?  Their order is what dialects leave open."""
    scores = inputs.get("scores")
    return scores is not None and len(np.unique(scores)) < np.size(scores)
