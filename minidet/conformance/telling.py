"""Which input tells which values apart: what the telling inputs of an operator are kept for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from .answers import parts
from .operators import Answer, Dialect, Operator, Refused, Vector


@dataclass(frozen=True)
class Told:
    """``vector`` tells two values of a convention apart, in the operator's dialect changed by ``base``."""

    convention: str
    one: str
    other: str
    vector: Vector
    base: Mapping[str, str]


def pairs(operator: Operator) -> list[tuple[str, str, str]]:
    """Each convention with each two of its values that settle something: an open one is a set of theirs."""
    return [
        (convention.name, a.name, b.name)
        for convention in operator.conventions.values()
        for a, b in combinations([value for value in convention.values if not value.open], 2)
    ]


def near(operator: Operator, centre: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """What to change of the operator's dialect: nothing, then one convention, each in turn.

    ``centre`` are values that are changed first.
    """
    middle = dict(centre or {})
    yield middle
    full = operator.dialect(**middle)
    for name, convention in operator.conventions.items():
        for value in convention.values:
            if value.name != full[name] and not value.open:
                yield middle | {name: value.name}


def told(
    operator: Operator, wanted: Iterable[tuple[str, str, str]] | None = None, dtype: str = "float32"
) -> list[Told]:
    """For each of the ``wanted`` pairs (all: `pairs`) the first input that tells it, where one does; small ones first.

    It is looked for in the operator's default dialect, and where that hides the difference, in those that are one
    value away.
    """
    open_ = list(pairs(operator) if wanted is None else wanted)
    vectors = sorted(operator.vectors, key=size)
    inputs = {vector.name: vector.cast(dtype) for vector in vectors}
    found: dict[tuple[str, str, str], Told] = {}
    for base in near(operator):
        dialect = operator.dialect(**base)
        for convention, one, other in [pair for pair in open_ if pair not in found]:
            for vector in vectors:
                given = inputs[vector.name]
                if convention in vector.tells and tells(operator, given, dialect, convention, one, other, dtype):
                    found[convention, one, other] = Told(convention, one, other, vector, base)
                    break
        if len(found) == len(open_):
            break
    return [found[pair] for pair in open_ if pair in found]


def size(vector: Vector) -> int:
    """How many numbers an input has."""
    return sum(np.size(value) for value in vector.inputs.values())


def tells(
    operator: Operator,
    inputs: Mapping[str, Any],
    dialect: Dialect,
    convention: str,
    one: str,
    other: str,
    dtype: str = "float32",
) -> bool:
    """Are the answers to ``inputs`` under two values of a convention different, also where a target rounds them?"""
    first, second = (operator.reference(inputs, {**dialect, convention: value}) for value in (one, other))
    return not (
        operator.same(rounded(first, dtype), second, inputs) or operator.same(rounded(second, dtype), first, inputs)
    )


def rounded(answer: Answer, dtype: str) -> Answer:
    """An answer as a target that computes in ``dtype`` could give it at best."""
    if isinstance(answer, Refused):
        return answer
    with np.errstate(over="ignore"):
        some = tuple(one.astype(dtype) if one.dtype.kind == "f" else one for one in parts(answer))
    return some if isinstance(answer, tuple) else some[0]
