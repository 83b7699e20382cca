"""Gradients of what is differentiable in ``x``, by differences of the reference, which are exact where it is linear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..operators import Dialect, Inputs, Operator, Refused
from .build import Right, Solved, flips, known_dialects, place
from .cases import Case, numbers

#: Inputs in which gradients are taken, and of how many numbers at most.
INPUTS, MOST = ("x", "w"), 64
#: Halvings of the difference, and how well the last two must agree.
HALVINGS, AGREE = 6, 1e-9


def gradients(operator: Operator, base: Dialect) -> Iterator[Solved]:
    """Of a small input without ties, in the profile ``minidet``, and in the dialects beside it where they differ."""
    first = operator.vectors[0].inputs
    if len(operator.outputs) > 1 or "x" not in first or first["x"].dtype.kind != "f":
        return
    for name in INPUTS:
        value = first.get(name)
        if not isinstance(value, np.ndarray) or not 0 < value.size <= MOST:
            continue
        x = np.array(numbers(value.size, 2**20, 11), np.float64).argsort(kind="stable").reshape(value.shape)
        inputs = {**first, name: x - value.size // 2 + 0.25}
        case = Case(f"gradient of {name}", "gradient", inputs)
        rights: list[Right] = []
        known = known_dialects(operator)
        for dialect in [dict(base), *flips(operator, base)]:
            found = gradient(operator, inputs, name, dialect)
            if found is None:
                continue
            right = place(rights, Right(found, within=(np.array(1e-5 * max(1.0, float(np.abs(found).max()))),)))
            right.dialects.append({c: v for c, v in dialect.items() if v != base[c]})
            right.profiles += [p for p, its in known.items() if its == dialect and p not in right.profiles]
        if rights and not rights[0].dialects[0]:
            given = {**inputs, "upstream": upstream(operator, inputs, base)}
            yield Solved(case, Case("", "", given).cast(), "minidet", rights, name)
    tied = _tied(operator, base)
    if tied is not None:
        yield tied


def upstream(operator: Operator, inputs: Inputs, dialect: Dialect) -> np.ndarray:
    """What comes from above: whole numbers, none of them 0, of the answer's shape."""
    shape = np.shape(np.asarray(operator.reference(inputs, dialect)))
    return np.array(numbers(int(np.prod(shape)), 6, 3), np.float64).reshape(shape) - 7.0


def gradient(operator: Operator, inputs: Inputs, name: str, dialect: Dialect) -> np.ndarray | None:
    """Of ``sum(upstream * answer)``; None where it is not smooth there, or is refused."""
    x = np.asarray(inputs[name], np.float64)
    if isinstance(operator.reference(inputs, dialect), Refused):
        return None
    above = upstream(operator, inputs, dialect)
    out = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        slope = _slope(operator, inputs, name, dialect, at, above)
        if slope is None:
            return None
        out[at] = slope
    return out


def _slope(operator: Operator, inputs: Inputs, name: str, dialect: Dialect, at: Any, above: np.ndarray) -> float | None:
    """Central differences with ever smaller steps, extrapolated; the first two agree where it is linear."""

    def central(step: float) -> float:
        sides = []
        for sign in (1, -1):
            x = np.asarray(inputs[name], np.float64).copy()
            x[at] += sign * step
            sides.append(float((np.asarray(operator.reference({**inputs, name: x}, dialect)) * above).sum()))
        return (sides[0] - sides[1]) / (2 * step)

    rows = [[central(0.125)]]
    for k in range(1, HALVINGS):
        row = [central(0.125 / 2**k)]
        for m, before in enumerate(rows[-1], 1):
            row.append(row[-1] + (row[-1] - before) / (4**m - 1))
        size = max(1.0, abs(row[-1]))
        if abs(row[0] - rows[-1][0]) <= 1e-13 * size:
            return row[0]  # linear
        if abs(row[-1] - rows[-1][-1]) <= AGREE * size and abs(row[-1] - row[-2]) <= AGREE * size:
            return row[-1]
        rows.append(row)
    return None


def _tied(operator: Operator, base: Dialect) -> Solved | None:
    """Of the maximum of four equal numbers: any of them may get the gradient."""
    if operator.name != "max_pool2d":
        return None
    inputs = {"x": np.zeros((1, 1, 2, 2)), "size": 2, "stride": 2, "padding": 0}
    each = []
    for at in np.ndindex(1, 1, 2, 2):
        one = np.zeros((1, 1, 2, 2))
        one[at] = 1.0
        each.append(one)
    right = Right(each[0], [{}], [], (np.zeros(()),), [("unspecified", one) for one in each[1:]])
    given = {**inputs, "upstream": np.ones((1, 1, 1, 1))}
    return Solved(
        Case("gradient of x at a tie", "gradient", inputs), Case("", "", given).cast(), "minidet", [right], "x"
    )
