"""The mutants, and the search that all of an operator's share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from conformance.bugs import bugs

from minidet.conformance import OPERATORS, Operator, Outcome, Vector, profiles
from minidet.conformance.check import PASSES, word
from minidet.conformance.draws import DRAWS
from minidet.conformance.operators import Answer, Dialect, Inputs, Refused
from minidet.conformance.search import smallest
from minidet.conformance.telling import Told, near, pairs, rounded, told

EXAMPLES = 200
DTYPE = "float32"
#: What cannot be told from the original, by operator and name, with the reason.
EQUIVALENT: Mapping[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Mutant:
    """``name`` is ``convention=value``, or what is wrong; ``run`` takes the inputs and a dialect."""

    operator: Operator
    name: str
    run: Callable[[Inputs, Dialect], Answer]
    flip: Mapping[str, str]  # empty for a plain bug


@dataclass(frozen=True)
class Result:
    """``how``: "search", at the ``tried``-th input with verdict ``said``; "vector", by the one that ``said`` names;
    "equivalent", for the reason ``said``; or "SURVIVED".  ``base`` is what was changed of the profile to see it.
    """

    operator: str
    name: str
    kind: str
    how: str
    tried: int = 0
    said: str = ""
    base: str = ""


class Finished(Exception):  # noqa: N818 - no error
    """Nothing is left to search for."""


def dialect_of(operator: Operator, **changes: str) -> dict[str, str]:
    """Of profile ``minidet``, changed."""
    return operator.dialect(**{**profiles()["minidet"][operator.name], **changes})


def mutants(operator: Operator) -> list[Mutant]:
    """Every other value of every convention, but open ones, then the plain bugs."""
    own = dialect_of(operator)
    flipped = [
        Mutant(operator, f"{name}={value.name}", _flip(operator, {name: value.name}), {name: value.name})
        for name, convention in operator.conventions.items()
        for value in convention.values
        if value.name != own[name] and not value.open
    ]
    wrong = [Mutant(operator, what, _bug(run), {}) for what, run in bugs().get(operator.name, {}).items()]
    return flipped + wrong


def _flip(operator: Operator, change: Mapping[str, str]) -> Callable[[Inputs, Dialect], Answer]:
    return lambda inputs, dialect: rounded(operator.reference(inputs, {**dialect, **change}), DTYPE)


def _bug(run: Callable[[Inputs], Answer]) -> Callable[[Inputs, Dialect], Answer]:
    return lambda inputs, dialect: run(inputs)


def called(mutant: Mutant, inputs: Inputs, dialect: Dialect) -> Outcome:
    """One call, of copies: what it writes into them is seen."""
    given = {name: v.copy() if isinstance(v, np.ndarray) else v for name, v in inputs.items()}
    try:
        answer = mutant.run(given, dialect)
    except Exception as error:
        return Outcome("refuses", reason=repr(error))
    changed = tuple(
        n for n, v in inputs.items() if isinstance(v, np.ndarray) and not np.array_equal(v, given[n], equal_nan=True)
    )
    return Outcome("refuses") if isinstance(answer, Refused) else Outcome("answers", answer, changed=changed)


def verdict(mutant: Mutant, inputs: Inputs, dialect: Dialect, operator: Operator) -> str:
    """What `check` says of the mutant on one input."""
    first = called(mutant, inputs, dialect)
    again = first if mutant.flip else called(mutant, inputs, dialect)  # a reference is the same each time
    return word(operator, dialect, inputs, first, again)


def passes(said: str) -> bool:
    return said in PASSES or said == "undecided"


def search(
    operator: Operator, dialect: Dialect, some: Sequence[Mutant], *, examples: int = EXAMPLES, seed: int = 0
) -> dict[str, tuple[int, str]]:
    """Of the mutants killed by drawn inputs: at which of them, and with which verdict."""
    dead: dict[str, tuple[int, str]] = {}
    tried = 0
    kept: dict[int, Answer] = {}

    def reference(inputs: Inputs, of: Dialect) -> Answer:
        if id(inputs) not in kept:
            kept.clear()
            kept[id(inputs)] = operator.reference(inputs, of)
        return kept[id(inputs)]

    once = replace(operator, reference=reference)  # one answer for all mutants

    def wrong(drawn: Mapping[str, Any]) -> bool:
        nonlocal tried
        tried += 1
        inputs = Vector("drawn", drawn, ()).cast(DTYPE)
        kept.clear()
        for mutant in some:
            if mutant.name not in dead and not passes(said := verdict(mutant, inputs, dialect, once)):
                dead[mutant.name] = tried, said
        if len(dead) == len(some):
            raise Finished
        return False

    if some:
        with suppress(Finished):
            smallest(DRAWS[operator.name](dialect), wrong, examples=examples, seed=seed)
    return dead


def matrix(operator: Operator) -> Iterator[Result]:
    """How each mutant of the operator fares."""
    every = mutants(operator)
    dead = search(operator, dialect_of(operator), every)
    elsewhere: dict[str, tuple[Mapping[str, str], str]] = {}
    for mutant in every:
        if mutant.name not in dead and (found := seen(operator, mutant)):
            elsewhere[mutant.name] = found
    hidden: dict[str, tuple[int, str]] = {}
    for base in {tuple(base.items()) for base, _ in elsewhere.values() if base}:
        there = [m for m in every if m.name in elsewhere and tuple(elsewhere[m.name][0].items()) == base]
        hidden |= search(operator, dialect_of(operator, **dict(base)), there)
    for mutant in every:
        kind = "convention" if mutant.flip else "bug"
        head = (operator.name, mutant.name, kind)
        base, vector = elsewhere.get(mutant.name, ({}, ""))
        where = ", ".join(f"{name}={value}" for name, value in base.items())
        if mutant.name in dead:
            yield Result(*head, "search", *dead[mutant.name])
        elif mutant.name in hidden:
            yield Result(*head, "search", *hidden[mutant.name], base=where)
        elif vector:
            yield Result(*head, "vector", said=vector, base=where)
        elif reason := EQUIVALENT.get((operator.name, mutant.name), ""):
            yield Result(*head, "equivalent", said=reason)
        else:
            yield Result(*head, "SURVIVED")


def seen(operator: Operator, mutant: Mutant) -> tuple[Mapping[str, str], str] | None:
    """The first telling input on which a mutant departs, and what of the profile has to be changed to see it."""
    own = dialect_of(operator)
    inputs = {vector.name: vector.cast(DTYPE) for vector in operator.vectors}
    for base in near(operator, own) if mutant.flip else [own]:
        change = {name: value for name, value in base.items() if value != own[name]}
        if change.keys() & mutant.flip.keys():
            continue
        for vector in operator.vectors:
            if mutant.flip and not mutant.flip.keys() & set(vector.tells):
                continue
            given = inputs[vector.name]
            if not (_alike(mutant, given, base) if mutant.flip else passes(verdict(mutant, given, base, operator))):
                return change, vector.name
    return None


def _alike(mutant: Mutant, inputs: Inputs, dialect: Dialect) -> bool:
    """Are the answers the same to a fingerprint, which does not ask what rounding may decide?"""
    operator = mutant.operator
    return operator.same(mutant.run(inputs, dialect), operator.reference(inputs, dialect), inputs)


def untold(operator: Operator, found: Sequence[Told]) -> list[tuple[str, str, str]]:
    """Pairs of values that no telling input tells."""
    have = {(one.convention, one.one, one.other) for one in found}
    return [pair for pair in pairs(operator) if pair not in have]


__all__ = ["EQUIVALENT", "EXAMPLES", "OPERATORS", "Mutant", "Result", "matrix", "mutants", "search", "told", "untold"]
