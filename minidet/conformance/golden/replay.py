"""Golden vectors on a target: which cases it answers rightly in a dialect, and what it follows where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..answers import Arrays, parts
from ..operators import Dialect, Refused
from ..target import Caller, Outcome
from .build import Golden, Right, Solved

#: Dtypes that every target takes.
COMMON = ("float32", "float64")


@dataclass(frozen=True)
class Replayed:
    """``word``: "right", "undecided" or "unspecified" (right as well), "wrong", "not asked" (no answer is kept for the
    dialect, or it is a gradient), "not taken" (arrays of float16 are refused); ``follows`` are dialects of the case in
    which a wrong answer would be right.
    """

    case: Solved
    word: str
    outcome: Outcome | None = None
    wanted: Right | None = None
    follows: tuple[Dialect, ...] = ()

    @property
    def passes(self) -> bool:
        """Is nothing wrong?"""
        return self.word != "wrong"


def replay(golden: Golden, target: Caller, dialect: Dialect) -> Iterator[Replayed]:
    """Every case, in a full dialect (`Operator.dialect`)."""
    for case in golden.cases:
        wanted = None if case.gradient else right_in(golden, case, dialect)
        if wanted is None:
            yield Replayed(case, "not asked")
            continue
        outcome = target.call(case.inputs)
        word = judged(outcome, wanted)
        if word == "wrong" and golden.operator.legal is not None and outcome.answer is not None:
            word = golden.operator.legal(case.inputs, dialect, outcome.answer) or word  # more than could be listed
        if word == "wrong" and outcome.kind == "refuses" and case.case.dtype not in COMMON:
            word = "not taken"
        others: list[Dialect] = []
        if word == "wrong":
            others = [d for right in case.answers if right is not wanted and judged(outcome, right) == "right"
                      for d in right.dialects]  # fmt: skip
        yield Replayed(case, word, outcome, wanted, tuple(others))


def right_in(golden: Golden, case: Solved, dialect: Dialect) -> Right | None:
    """The answer of a dialect; None where none is kept."""
    for right in case.answers:
        for one in right.dialects:
            full = {**golden.base, **one}
            names = full if case.others == "minidet" else case.case.tells or ()
            if all(full[name] == dialect[name] for name in names):
                return right
    return None


def judged(outcome: Outcome, right: Right) -> str:
    """The word of one outcome: "right", "undecided", "unspecified" or "wrong"."""
    if outcome.answer is None or isinstance(right.answer, Refused):
        agrees = outcome.kind == "refuses" and isinstance(right.answer, Refused)
        return "right" if agrees else "wrong"
    if close(outcome.answer, right.answer, right.within):
        return "right"
    return next((why for why, other in right.also if close(outcome.answer, other, right.within)), "wrong")


def close(found: Arrays, expected: Arrays, within: tuple[np.ndarray, ...]) -> bool:
    """Each array of the expected shape, and no number further off than is allowed; NaN is NaN."""
    ones, others = parts(found), parts(expected)
    if len(ones) != len(others) or any(a.shape != b.shape for a, b in zip(ones, others, strict=True)):
        return False
    for a, b, w in zip(ones, others, within, strict=True):
        if a.dtype.kind not in "iufb":
            return False
        x, y = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(invalid="ignore"):
            off = np.abs(x - y) <= w
        if not np.all((off & np.isfinite(y)) | (x == y) | (np.isnan(x) & np.isnan(y))):
            return False
    return True
