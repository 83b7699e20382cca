"""The inputs: what tells conventions apart, and what breaks implementations: edges of blocks, ties, sizes, overflow.

All numbers come from a formula, so that they are the same wherever and whenever they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..answers import parts
from ..operators import Inputs, Operator, Refused, Vector

#: Counts about which implementations go from one block to the next.
EDGES = (63, 64, 65, 511, 512, 513)
#: No map is wider in a case for blocks where an output has to be computed number by number.
MOST = 70


@dataclass(frozen=True)
class Case:
    """``tells`` are the conventions that matter to a telling input; None where all are given."""

    name: str
    kind: str
    inputs: Inputs
    dtype: str = "float32"
    tells: tuple[str, ...] | None = None
    most_flips: int = 40  # of one convention, whose answers are kept besides the profiles'

    def cast(self) -> dict[str, Any]:
        """The inputs in the case's dtype."""
        return Vector(self.name, self.inputs, ()).cast(self.dtype)


def numbers(count: int, most: int, seed: int = 1) -> list[int]:
    """``count`` whole numbers from 0 to ``most``, by a linear congruence."""
    found = []
    for _ in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append((seed >> 33) % (most + 1))
    return found


def shuffled(count: int, seed: int = 1) -> list[int]:
    """0 to ``count`` - 1, in an order that looks like none."""
    keys = numbers(count, 2**30, seed)
    return sorted(range(count), key=lambda i: (keys[i], i))


def cases(operator: Operator) -> Iterator[Case]:
    """All of an operator."""
    for vector in operator.vectors:
        yield Case(vector.name, kind_of(vector), vector.inputs, tells=vector.tells)
    names = tuple(operator.vectors[0].inputs)
    arrays = {n for n, v in operator.vectors[0].inputs.items() if isinstance(v, np.ndarray)}
    if names[:2] == ("a", "b") and set(operator.boxes) == {"a", "b"}:
        yield from _overlaps(operator)
    elif {"boxes", "scores"} <= arrays <= {"boxes", "scores", "classes"} and "boxes" in operator.boxes:
        yield from _suppression(operator)
    elif "x" in names and np.ndim(operator.vectors[0].inputs["x"]) == 4:
        yield from _maps(operator)
    else:
        yield from _rows_again(operator)


def kind_of(vector: Vector) -> str:
    """A telling input is degenerate where a number is none, or a box has no area."""
    for value in vector.inputs.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
            return "degenerate"
    return "telling"


def _changed(operator: Operator, **changes: Any) -> dict[str, Any]:
    """The operator's first telling input with other arrays."""
    return {**operator.vectors[0].inputs, **changes}


def _rows(rows: Any) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, 4)


def scattered(count: int, seed: int = 1, span: int = 40) -> np.ndarray:
    """Boxes of small whole numbers."""
    x, y, w, h = (numbers(count, most, seed + i) for i, most in enumerate((span, span, 9, 9)))
    return _rows([(a, b, a + c + 1, b + d + 1) for a, b, c, d in zip(x, y, w, h, strict=True)])


def _overlaps(operator: Operator) -> Iterator[Case]:
    def of(name: str, kind: str, a: Any, b: Any, dtype: str = "float32", flips: int = 40) -> Case:
        return Case(name, kind, _changed(operator, a=_rows(a), b=_rows(b)), dtype, most_flips=flips)

    matrix = "b" in operator.vectors[0].inputs and not _paired(operator)
    for n in EDGES:
        one = scattered(n, n)
        yield of(f"{n} boxes against {'one' if matrix else 'as many'}", "block edge", one,
                 scattered(1, 7) if matrix else scattered(n, n + 1), flips=0)  # fmt: skip
    big = [[0, 0, 50000, 50000], [25000, 0, 75000, 50000]]
    yield of("areas beyond int32", "overflow", big[:1], big[1:])
    yield of("areas beyond float16", "overflow", [[0, 0, 300, 300]], [[150, 0, 450, 300]], "float16")
    yield of("far from the origin", "overflow", [[2**24, 0, 2**24 + 4, 4]], [[2**24 + 2, 0, 2**24 + 6, 4]])
    yield of("a line and a box", "degenerate", [[0, 0, 0, 4]], [[0, 0, 4, 4]])
    yield of("a point inside a box", "degenerate", [[1, 1, 1, 1]], [[0, 0, 4, 4]])
    yield of("touching along a side", "boundary", [[0, 0, 2, 2]], [[2, 0, 4, 2]])
    yield of("one inside the other", "boundary", [[0, 0, 4, 4]], [[1, 1, 2, 3]])
    yield of("left of zero", "boundary", [[-5, -5, -1, -1]], [[-4, -4, 0, 0]])


def _paired(operator: Operator) -> bool:
    """Does it take its boxes pair by pair, not each with each?"""
    first = operator.vectors[0].inputs
    answer = operator.reference(
        _changed(operator, a=np.repeat(first["a"][:1], 2, 0), b=np.repeat(first["b"][:1], 2, 0)), operator.dialect()
    )
    return np.asarray(answer[0] if isinstance(answer, tuple) else answer).ndim == 1


def _suppression(operator: Operator) -> Iterator[Case]:
    def of(name: str, kind: str, boxes: Any, scores: Any, dtype: str = "float32", flips: int = 40, **more: Any) -> Case:
        rows = _rows(boxes)
        given = {"boxes": rows, "scores": np.array(scores, np.float64), **more}
        inputs = operator.vectors[0].inputs
        if "classes" in inputs:
            given["classes"] = np.zeros(len(rows), np.int64)
        if "threshold" in inputs:
            given.setdefault("threshold", 0.5)
        else:
            given.pop("threshold", None)
        return Case(name, kind, _changed(operator, **given), dtype, most_flips=flips)

    for n in EDGES if operator.exact else EDGES[:3]:  # what computes scores for each pair takes long
        # neighbours overlap by 1/2, those after them by 1/5; after 70 places it begins again, which keeps this fast
        row = [(3 * (i % 70), 0, 3 * (i % 70) + 9, 1) for i in range(n)]
        scores = [(at + 1) / 1024 for at in shuffled(n, n)]
        yield of(f"{n} boxes in a row", "block edge", row, scores, flips=0, threshold=0.25)
    chain = [(0, 0, 9, 1), (3, 0, 12, 1), (6, 0, 15, 1)]
    yield of("A-B-C: the first drops the second, which would drop the third", "boundary", chain, [0.75, 0.5, 0.25],
             threshold=0.25)  # fmt: skip
    yield of("three of one score, in a chain", "tie", chain, [0.5] * 3, threshold=0.25)
    yield of("four equal boxes of two scores", "tie", [(0, 0, 4, 4)] * 4, [0.5, 0.75, 0.5, 0.75])
    yield of("overlap of 1/2 at threshold 1/2", "boundary", [(0, 0, 2, 1), (0, 0, 1, 1)], [0.75, 0.5])
    yield of("overlap of 1/3 at a threshold that is nearly that", "boundary", [(0, 0, 3, 1), (0, 0, 1, 1)],
             [0.75, 0.5], threshold=1 / 3)  # fmt: skip
    yield of("coordinates of tenths, overlap of 1/2", "boundary", [(0, 0, 0.2, 0.1), (0, 0, 0.1, 0.1)], [0.75, 0.5])
    yield of("one box", "degenerate", [(0, 0, 4, 4)], [0.5])
    yield of("no box", "degenerate", [], [])
    yield of("lines and points", "degenerate", [(0, 0, 0, 4), (0, 0, 4, 4), (1, 1, 1, 1), (1, 1, 1, 1)],
             [0.75, 0.625, 0.5, 0.375])  # fmt: skip
    yield of("left of zero", "boundary", [(-9, -9, -5, -5), (-8, -9, -4, -5), (-9, -9, -5, -5)], [0.5, 0.75, 0.625])
    yield of("areas beyond int32", "overflow", [(0, 0, 50000, 50000), (10000, 0, 60000, 50000)], [0.75, 0.5])
    yield of("areas beyond float16", "overflow", [(0, 0, 300, 300), (64, 0, 364, 300)], [0.75, 0.5], "float16")


def _maps(operator: Operator) -> Iterator[Case]:
    first = operator.vectors[0].inputs
    channels = first["x"].shape[1]
    others = [v for n, v in first.items() if isinstance(v, np.ndarray) and n != "x"]
    if any(v.ndim == 4 and v.shape[2:] == first["x"].shape[2:] for v in others):
        return  # another map of the same size goes with it
    for n in EDGES:
        if n > MOST and (np.size(first.get("size", 1)) == 2 or "output_size" in first):
            continue
        height = first["x"].shape[2]
        x = np.array(numbers(channels * height * n, 8, n), np.float64).reshape(1, channels, height, n) - 4
        changes: dict[str, Any] = {"x": x}
        if np.size(first.get("size", 1)) == 2:
            changes["size"] = (height, n + 1)
        inputs = _changed(operator, **changes)
        if isinstance(operator.reference(inputs, operator.dialect()), Refused):
            return  # its other inputs say how wide it is
        yield Case(f"{n} columns", "block edge", inputs, most_flips=0)
    zeros = np.zeros(first["x"].shape)
    yield Case("all zero", "tie", _changed(operator, x=zeros))
    x = np.array(numbers(zeros.size, 1, 5), np.float64).reshape(zeros.shape) * 30000
    yield Case("sums beyond float16", "overflow", _changed(operator, x=x), "float16")


def _rows_again(operator: Operator) -> Iterator[Case]:
    """The rows of a telling input over and over, where each row of the answer is of one of them."""
    first = operator.vectors[0].inputs
    arrays = {n: v for n, v in first.items() if isinstance(v, np.ndarray) and v.ndim in (1, 2)}
    if not arrays or any(isinstance(v, np.ndarray) and v.ndim > 2 for v in first.values()):
        return
    rows = len(next(iter(arrays.values())))
    aligned = {n: v for n, v in arrays.items() if len(v) == rows and (v.ndim == 2 or len(arrays) == 1)}
    if not rows or not aligned or any(v.dtype.kind != "f" for v in arrays.values()):
        return
    for n in EDGES[:3] if "match" in operator.name else EDGES:  # each with each takes long
        inputs = {**first, **{name: np.resize(v, (n, *v.shape[1:])) for name, v in aligned.items()}}
        answer = operator.reference(inputs, operator.dialect())
        if isinstance(answer, Refused) or {len(part) if part.ndim else 0 for part in parts(answer)} != {n}:
            return
        yield Case(f"{n} rows of: {operator.vectors[0].name}", "block edge", inputs, most_flips=0)


def named(some: Iterator[Case]) -> Mapping[str, Case]:
    """By name; two of one name are a mistake."""
    found: dict[str, Case] = {}
    for case in some:
        assert case.name not in found, case.name
        found[case.name] = case
    return found
