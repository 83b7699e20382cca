"""Answers: an array, several arrays by their place, or a refusal; and when two of them are the same."""

from __future__ import annotations

import numpy as np


class Refused:
    """The answer of a dialect in which the input is an error."""

    def __repr__(self) -> str:
        return "an error"


REFUSED = Refused()
Arrays = np.ndarray | tuple[np.ndarray, ...]
Answer = Arrays | Refused
Units = float | np.ndarray | tuple[float | np.ndarray, ...]

#: Rounding steps that an element may be off, of the greater of its size and 1, where an operator does not say.
UNITS = 16.0


def parts(answer: Arrays) -> tuple[np.ndarray, ...]:
    """The arrays of an answer."""
    return answer if isinstance(answer, tuple) else (answer,)


def identical(first: Arrays, second: Arrays) -> bool:
    """Are they the same, bit for bit?"""
    ones, others = parts(first), parts(second)
    return len(ones) == len(others) and all(
        a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(ones, others, strict=True)
    )


def near(found: np.ndarray, expected: np.ndarray, units: float | np.ndarray | None) -> bool:
    """Is ``found`` what is ``expected``?  Whole numbers, truths, NaN, infinities and shapes must be equal.

    ``units`` is how many steps (eps) of ``found``'s dtype an element may be off, an array of that shape or one for all;
    None is ``UNITS`` of the greater of its size and 1.  0 asks for equality.
    """
    if found.shape != expected.shape or found.dtype.kind not in "iufb":
        return False
    if expected.dtype.kind in "iub":
        return bool(np.array_equal(found, expected))
    allowed = UNITS * np.maximum(1, np.abs(expected)) if units is None else np.asarray(units, np.float64)
    eps = np.finfo(found.dtype if found.dtype.kind == "f" else np.float64).eps
    with np.errstate(invalid="ignore"):
        close = np.abs(found.astype(np.float64) - expected) <= eps * allowed
    close &= np.isfinite(expected)
    return bool(np.all(close | (found == expected) | (np.isnan(found) & np.isnan(expected))))


def same(found: Answer, expected: Answer, units: Units | None = None, *, exact: bool = False) -> bool:
    """``near`` for each array; a refusal is the same as a refusal."""
    if isinstance(found, Refused) or isinstance(expected, Refused):
        return isinstance(found, Refused) and isinstance(expected, Refused)
    ones, others = parts(found), parts(expected)
    if len(ones) != len(others):
        return False
    each = units if isinstance(units, tuple) else (units,) * len(ones)
    if exact:
        return all(
            a.shape == b.shape and a.dtype.kind in "iufb" and bool(np.array_equal(a, b))
            for a, b in zip(ones, others, strict=True)
        )
    return all(near(a, b, u) for a, b, u in zip(ones, others, each, strict=True))
