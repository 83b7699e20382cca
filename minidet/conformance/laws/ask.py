"""Every law of an operator asked of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..operators import REFUSED, Answer, Dialect, Inputs, Operator, Vector
from ..search import smallest
from ..target import Caller
from . import maps, overlap, suppression
from .law import Both, Law

LAWS: Mapping[str, tuple[Law, ...]] = MappingProxyType(
    {name: laws for part in (overlap, suppression, maps) for name, laws in part.LAWS.items()}
)


@dataclass(frozen=True)
class LawVerdict:
    """``word``: "holds", "broken", "suspended" by a convention, or "crashes" or "hangs"; ``inputs``, ``got`` and
    ``wanted`` where it is broken.
    """

    law: Law
    word: str
    tried: int = 0
    inputs: Inputs | None = None
    got: Answer | None = None
    wanted: Answer | None = None
    reason: str = ""


class _StoppedError(Exception):
    """The target crashed or hung."""


def laws(
    operator: Operator, target: Caller, dialect: Dialect, *, examples: int = 100, dtype: str = "float32", seed: int = 0
) -> list[LawVerdict]:
    """Every law of the operator, asked of ``examples`` drawn inputs; ``dialect`` says which are suspended."""
    return [_asked(law, operator, target, dialect, examples, dtype, seed) for law in LAWS[operator.name]]


def _asked(
    law: Law, operator: Operator, target: Caller, dialect: Dialect, examples: int, dtype: str, seed: int
) -> LawVerdict:
    from ..draws import DRAWS

    if any(dialect[name] in values for name, values in law.but.items()):
        return LawVerdict(law, "suspended", reason=", ".join(f"{n}={dialect[n]}" for n in law.but))
    seen: list[tuple[Inputs, Both]] = []
    stopped: list[tuple[str, str]] = []

    def call(inputs: Inputs) -> Answer:
        outcome = target.call(inputs)
        if outcome.kind in ("crashes", "hangs"):
            stopped.append((outcome.kind, outcome.reason))
            raise _StoppedError
        return REFUSED if outcome.answer is None else outcome.answer

    def broken(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        both = law.ask(call, cast)
        if operator.same(*both, cast):
            return False
        seen.append((cast, both))
        return True

    try:
        tried, found = smallest(DRAWS[operator.name](dialect), broken, examples=examples, seed=seed)
    except _StoppedError:
        return LawVerdict(law, *stopped[-1][:1], reason=stopped[-1][1])
    if not found:
        return LawVerdict(law, "holds", tried)
    inputs, (got, wanted) = seen[-1]
    return LawVerdict(law, "broken", tried, inputs, got, wanted)
