"""Predicates on an operator's inputs: a closed vocabulary, by which inputs are left out of a search, and said to be.

``parse("has_ties")``, ``parse("more_than(1000)")``, ``parse("not below_zero")``.  A predicate asks for what an operator
may lack, boxes or scores; then `Predicate.bind` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import InputError
from .operators import Inputs, Operator

Holds = Callable[[Inputs], bool]
#: Overlaps this near to the threshold count as meeting it.
NEAR = 1e-6
_FORM = re.compile(r"\s*(not\s+)?([a-z_]+)\s*(?:\(([^()]*)\))?\s*")


@dataclass(frozen=True)
class Word:
    """One word of the vocabulary: what it ``means``, what it ``takes`` in brackets, and its test of inputs.

    ``holds`` is given the inputs, their boxes (lists of arrays (n, 4) of x1 y1 x2 y2) and what stands in the brackets.
    """

    means: str
    holds: Callable[..., bool]
    takes: tuple[type, ...] = ()
    needs: str = ""  # "boxes", or the name of an input


def _arrays(inputs: Inputs) -> list[np.ndarray]:
    return [np.asarray(v, np.float64) for v in inputs.values()]


def _sides(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2): width and height of all boxes, signed."""
    return np.concatenate([rows[:, 2:] - rows[:, :2] for rows in boxes]).astype(np.float64)


def _equal_rows(boxes: Sequence[np.ndarray]) -> bool:
    return any(len(np.unique(rows, axis=0)) < len(rows) for rows in boxes)


def _meets(inputs: Inputs, boxes: Sequence[np.ndarray]) -> bool:
    """In float64, which is near enough."""
    threshold = float(inputs["threshold"])
    for rows in boxes:
        low, high = np.split(rows.astype(np.float64), 2, axis=1)
        with np.errstate(all="ignore"):
            sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
            both = sides.clip(0).prod(axis=2)
            area = (high - low).prod(axis=1)
            near = np.abs(both / (area[:, None] + area - both) - threshold) <= NEAR
        if np.triu(near, 1).any():
            return True
    return False


def _value(inputs: Inputs, name: str) -> np.ndarray:
    return np.asarray(inputs[name], np.float64)


VOCABULARY: Mapping[str, Word] = MappingProxyType({
    "has_nan": Word("a number is NaN", lambda i, b: any(np.isnan(v).any() for v in _arrays(i))),
    "has_infinity": Word("a number is infinite", lambda i, b: any(np.isinf(v).any() for v in _arrays(i))),
    "has_nothing": Word("an array has no elements", lambda i, b: any(v.size == 0 for v in _arrays(i))),
    "has_fractions": Word("a coordinate is not whole", lambda i, b: any((np.rint(r) != r).any() for r in b),
                          needs="boxes"),
    "has_empty_box": Word("a box without width or height", lambda i, b: bool((_sides(b) == 0).any()), needs="boxes"),
    "has_inverted_box": Word("a box with x2 < x1 or y2 < y1", lambda i, b: bool((_sides(b) < 0).any()), needs="boxes"),
    "has_equal_boxes": Word("two boxes are equal", lambda i, b: _equal_rows(b), needs="boxes"),
    "below_zero": Word("a coordinate is below zero", lambda i, b: any((r < 0).any() for r in b), needs="boxes"),
    "all_below_zero": Word("every coordinate is below zero", lambda i, b: all((r < 0).all() for r in b), needs="boxes"),
    "beyond": Word("a coordinate is beyond x, either way", lambda i, b, x: any((np.abs(r) > x).any() for r in b),
                   (float,), "boxes"),
    "has_ties": Word("two scores are equal", lambda i, b: len(np.unique(i["scores"])) < len(i["scores"]),
                     needs="scores"),
    "several_classes": Word("there are several classes", lambda i, b: len(np.unique(i["classes"])) > 1,
                            needs="classes"),
    "meets_threshold": Word("two boxes' IoU is the threshold, within a millionth", _meets, needs="threshold"),
    "more_than": Word("the first array has more than n rows", lambda i, b, n: _rows(i) > n, (float,)),
    "equals": Word("the input NAME is x, each element", lambda i, b, name, x: bool((_value(i, name) == x).all()),
                   (str, float)),
    "at_least": Word("an element of the input NAME is x or more",
                     lambda i, b, name, x: bool((_value(i, name) >= x).any()), (str, float)),
    "at_most": Word("an element of the input NAME is x or less",
                    lambda i, b, name, x: bool((_value(i, name) <= x).any()), (str, float)),
})  # fmt: skip


def _rows(inputs: Inputs) -> int:
    return next((len(v) for v in inputs.values() if isinstance(v, np.ndarray) and v.ndim), 0)


@dataclass(frozen=True)
class Predicate:
    """One predicate, as it was written (``text``); ``negated`` where ``not`` stands before it."""

    text: str
    word: Word
    given: tuple[Any, ...]
    negated: bool

    def bind(self, operator: Operator) -> Holds:
        """The test of this operator's inputs; raises `InputError` where the operator lacks what is asked about."""
        names = tuple(operator.vectors[0].inputs)
        needs = [self.word.needs] if self.word.needs else []
        needs += [one for one in self.given if isinstance(one, str)]
        for name in needs:
            there = bool(_boxes_of(operator)) if name == "boxes" else name in names
            if not there:
                raise InputError(f"{self.text}: {operator.name} has no {name}; its inputs are {', '.join(names)}")

        def holds(inputs: Inputs) -> bool:
            return self.word.holds(inputs, _boxes(operator, inputs), *self.given) != self.negated

        return holds


def parse(text: str) -> Predicate:
    """A predicate from text; raises `InputError` for what is not in the vocabulary."""
    found = _FORM.fullmatch(text)
    if found is None or found[2] not in VOCABULARY:
        words = ", ".join(map(_shown, VOCABULARY))
        raise InputError(f"{text!r} is no predicate; there are {words}, each also with not")
    name, word = found[2], VOCABULARY[found[2]]
    given = [one.strip() for one in found[3].split(",")] if found[3] is not None else []
    try:
        if len(given) != len(word.takes):
            raise ValueError
        values = tuple(kind(one) for kind, one in zip(word.takes, given, strict=True))
    except ValueError:
        raise InputError(f"{text!r}: expected {_shown(name)}, where {word.means}") from None
    return Predicate(text.strip(), word, values, found[1] is not None)


def _shown(name: str) -> str:
    """How a word is written."""
    takes = ["NAME" if kind is str else "n" if name == "more_than" else "x" for kind in VOCABULARY[name].takes]
    return f"{name}({', '.join(takes)})" if takes else name


def of_these(operator: Operator, inputs: Inputs) -> list[str]:
    """The words without brackets that hold of these inputs."""
    found = []
    for name, word in VOCABULARY.items():
        if word.takes:
            continue
        try:
            holds = parse(name).bind(operator)
        except InputError:
            continue
        if holds(inputs):
            found.append(name)
    return found


def leaving_out(operator: Operator, texts: Sequence[str]) -> Callable[[Inputs], str]:
    """For ``check(..., skip=)``: the first of the predicates that holds, or ""."""
    bound = [(text, parse(text).bind(operator)) for text in texts]
    return lambda inputs: next((text for text, holds in bound if holds(inputs)), "")


def _boxes_of(operator: Operator) -> tuple[str, ...]:
    """The inputs that hold boxes; regions (n, 5) have their image in front."""
    return operator.boxes or tuple(name for name in operator.vectors[0].inputs if name == "rois")


def _boxes(operator: Operator, inputs: Inputs) -> list[np.ndarray]:
    return [np.asarray(inputs[name])[..., -4:].reshape(-1, 4) for name in _boxes_of(operator)]
