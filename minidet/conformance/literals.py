"""Arrays as code that makes them again, and how far two answers are apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .answers import Answer, Refused, parts

#: A row that comes so often in a row is written once, and repeated.
REPEATED = 20
_WORDS = re.compile(r"\b(nan|inf)\b")


def literal(value: Any) -> str:
    """Code for an array, a number or sizes; equal values and dtype, whatever the size."""
    if not isinstance(value, np.ndarray):
        return _of_numpy(repr(value)) if isinstance(value, float | tuple) else repr(value)
    if value.size == 0:
        return f"np.zeros({value.shape}, np.{value.dtype})"
    rows = value.tolist()
    text = repr(rows)
    if value.ndim and len(rows) > REPEATED:
        start = len(rows) - 1
        while start and repr(rows[start - 1]) == repr(rows[-1]):
            start -= 1
        if len(rows) - start >= REPEATED:
            text = f"{f'{rows[:start]!r} + ' if start else ''}[{rows[-1]!r}] * {len(rows) - start}"
    return f"np.array({_of_numpy(text)}, np.{value.dtype})"


def _of_numpy(text: str) -> str:
    """NaN and infinity by the names that code has for them."""
    return _WORDS.sub(r"np.\1", text)


def distance(found: Answer, expected: Answer, names: Sequence[str] = ("answer",)) -> str:
    """How far an answer is from what was expected, in words; of floating-point arrays in units in the last place."""
    if isinstance(found, Refused) or isinstance(expected, Refused):
        return ""
    ones, others = parts(found), parts(expected)
    if len(ones) != len(others):
        return f"{len(ones)} arrays, not {len(others)}"
    said = [(name, _apart(a, b)) for name, a, b in zip(names, ones, others, strict=False)]
    return "; ".join(f"{name}: {text}" if len(ones) > 1 else text for name, text in said if text)


def _apart(found: np.ndarray, expected: np.ndarray) -> str:
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    with np.errstate(all="ignore"):
        equal = (found == expected) | ((found != found) & (expected != expected))
        wrong = np.argwhere(~equal)
        if not len(wrong):
            return "" if found.dtype.kind == expected.dtype.kind else f"{found.dtype}, not {expected.dtype}"
        many = f"{len(wrong)} of {found.size} elements differ"
        if expected.dtype.kind != "f" or found.dtype.kind != "f":
            return many
        wide = np.asarray(expected, np.float64)
        finite = np.isfinite(wide) & np.isfinite(found)
        if (~equal & ~finite).any():
            at = np.argwhere(~equal & ~finite)[0].tolist()
            return f"{many}, at {at} {found[tuple(at)]} for {wide[tuple(at)]}"
        step = np.spacing(np.abs(wide).astype(found.dtype))
        steps = np.where(equal, 0, np.abs(found.astype(np.float64) - wide) / step)
    at = np.unravel_index(int(np.argmax(steps)), steps.shape)
    return f"{many}, by up to {float(steps[at]):.3g} units in the last place, at {[int(i) for i in at]}"
