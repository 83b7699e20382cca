"""From inputs to all their right answers, by the references alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations, product
from typing import Any

import numpy as np

from ..answers import UNITS, identical, parts
from ..conventions import profiles
from ..fingerprint import combinations
from ..operators import OPERATORS, Answer, Arrays, Dialect, Inputs, Operator, Refused, Vector
from ..telling import size
from .cases import Case, cases, named

#: Orders of equal scores that are tried, and steps by which a threshold is moved to see what rounding may do.
MOST_ORDERS, STEPS = 48, (-8, 8)
#: Numbers in an input for which other legal answers are looked for.
SMALL = 400


@dataclass
class Right:
    """One answer: ``dialects`` that give it, as values of conventions; ``profiles`` among them.

    ``within`` is the greatest difference from each array that rounding explains.  ``also`` are further right answers,
    each with "undecided" (rounding may decide so) or "unspecified" (the dialect leaves it open).
    """

    answer: Answer
    dialects: list[dict[str, str]] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    within: tuple[np.ndarray, ...] = ()
    also: list[tuple[str, Arrays]] = field(default_factory=list)


@dataclass
class Solved:
    """A case with its answers.  ``others`` says of conventions that an answer's dialects do not name: "any" value, or
    the profile ``minidet``'s.  ``gradient`` names the input whose gradient the answers are, given ``upstream``.
    """

    case: Case
    inputs: dict[str, Any]
    others: str
    answers: list[Right]
    gradient: str = ""


@dataclass
class Golden:
    """The golden vectors of an operator."""

    operator: Operator
    base: dict[str, str]  # profile minidet
    cases: list[Solved]


def generate(name: str) -> Golden:
    """All golden vectors of an operator."""
    from .gradients import gradients

    operator = OPERATORS[name]
    base = operator.dialect(**profiles()["minidet"][name])
    found = [solve(operator, case, base) for case in named(cases(operator)).values()]
    return Golden(operator, base, [one for one in found if one.answers] + list(gradients(operator, base)))


def solve(operator: Operator, case: Case, base: Dialect) -> Solved:
    """Every answer to a case that a dialect gives, with the dialects."""
    inputs = case.cast()
    known = known_dialects(operator)
    if case.tells is not None:
        wanted = combinations(operator, case.tells)
        full = [operator.dialect(**{**base, **one}) for one in wanted]
    else:
        full = once([*islice(flips(operator, base), case.most_flips), base, *known.values()])
        wanted = [{name: v for name, v in one.items() if v != base[name]} for one in full]
    small = operator.legal is not None and size(Vector(case.name, inputs, ())) < SMALL
    with np.errstate(over="ignore"):  # rounding to float16 overflows on purpose
        answers = [operator.reference(inputs, dialect) for dialect in full]
        candidates = distinct([*answers, *further(operator, inputs, base)]) if small else []
    rights: list[Right] = []
    for change, dialect, answer in zip(wanted, full, answers, strict=True):
        right = place(rights, right_of(operator, inputs, dialect, answer, candidates))
        if change not in right.dialects:
            right.dialects.append(change)
        right.profiles += [
            one for one, its in known.items() if one not in right.profiles and _agrees(its, change, base, case.tells)
        ]
    return Solved(case, inputs, "minidet" if case.tells is None else "any", rights)


def known_dialects(operator: Operator) -> dict[str, dict[str, str]]:
    """The full dialects of profiles."""
    return {name: operator.dialect(**of[operator.name]) for name, of in profiles().items() if operator.name in of}


def once(dialects: Iterable[Dialect]) -> list[dict[str, str]]:
    """Each dialect once."""
    found: list[dict[str, str]] = []
    for one in dialects:
        if one not in found:
            found.append(dict(one))
    return found


def flips(operator: Operator, base: Dialect) -> Iterator[dict[str, str]]:
    """The base with one convention changed."""
    for name, convention in operator.conventions.items():
        for value in convention.values:
            if value.name != base[name]:
                yield {**base, name: value.name}


def _agrees(profile: Dialect, change: Dialect, base: Dialect, tells: tuple[str, ...] | None) -> bool:
    names = base if tells is None else tells
    return all(profile[name] == change.get(name, base[name]) for name in names)


def place(rights: list[Right], new: Right) -> Right:
    """The entry that admits what a new one does; the new one where there is none."""
    for one in rights:
        same = alike(one.answer, new.answer) and [why for why, _ in one.also] == [why for why, _ in new.also]
        if same and all(identical(a, b) for (_, a), (_, b) in zip(one.also, new.also, strict=True)):
            return one
    rights.append(new)
    return new


def alike(first: Answer, second: Answer) -> bool:
    """Two refusals, or the same arrays."""
    if isinstance(first, Refused) or isinstance(second, Refused):
        return isinstance(first, Refused) and isinstance(second, Refused)
    return identical(first, second)


def distinct(answers: Iterable[Answer]) -> list[Arrays]:
    """Each array once."""
    found: list[Arrays] = []
    for answer in answers:
        if not isinstance(answer, Refused) and not any(identical(answer, one) for one in found):
            found.append(answer)
    return found


def right_of(
    operator: Operator, inputs: Inputs, dialect: Dialect, answer: Answer, candidates: Sequence[Arrays] = ()
) -> Right:
    """An answer, what rounding in the dtype of the inputs may do to it, and the legal ones of the candidates."""
    if isinstance(answer, Refused):
        return Right(answer)
    units = None if operator.units is None else operator.units(inputs)
    some = parts(answer)
    each = units if isinstance(units, tuple) else (units,) * len(some)
    also = []
    if operator.legal is not None:
        for other in candidates:
            if not identical(other, answer) and (why := operator.legal(inputs, dialect, other)):
                also.append((why, other))
    within = tuple(_within(a, u, inputs, operator.exact) for a, u in zip(some, each, strict=True))
    return Right(answer, within=within, also=also)


def _within(answer: np.ndarray, units: Any, inputs: Inputs, exact: bool) -> np.ndarray:
    if answer.dtype.kind != "f" or exact:
        return np.zeros(())
    floats = [v.dtype for v in inputs.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    eps = float(np.finfo(floats[0] if floats else np.float32).eps)
    size = np.where(np.isfinite(answer), np.abs(answer), 0)
    allowed = UNITS * np.maximum(1, size) if units is None else np.asarray(units, np.float64)
    return np.asarray(eps * np.broadcast_to(allowed, answer.shape))


def further(operator: Operator, inputs: Inputs, base: Dialect) -> Iterator[Arrays]:
    """Answers that might be legal: with equal scores in every order, with the threshold a little lower or higher."""
    if isinstance(inputs.get("threshold"), float):
        for steps in STEPS:
            moved = inputs["threshold"] * (1 + steps * float(np.finfo(np.float32).eps))
            answer = operator.reference({**inputs, "threshold": moved}, base)
            if not isinstance(answer, Refused):
                yield answer
    if operator.exact and len(operator.outputs) == 1 and "scores" in inputs and len(inputs["scores"]) <= 16:
        for order in islice(orders(inputs["scores"]), MOST_ORDERS):
            turned = {
                name: v[order] if isinstance(v, np.ndarray) and v.ndim and len(v) == len(order) else v
                for name, v in inputs.items()
            }
            answer = operator.reference(turned, base)
            if isinstance(answer, np.ndarray) and answer.dtype.kind == "i":
                yield np.asarray(order)[answer].astype(np.int64)


def orders(scores: np.ndarray) -> Iterator[list[int]]:
    """All orders of the boxes in which equal scores change places."""
    groups = [np.flatnonzero(scores == one) for one in np.unique(scores[~np.isnan(scores)])]
    for choice in product(*(permutations(group.tolist()) for group in groups)):
        order = list(range(len(scores)))
        for group, turned in zip(groups, choice, strict=True):
            for at, now in zip(group, turned, strict=True):
                order[at] = now
        yield order
