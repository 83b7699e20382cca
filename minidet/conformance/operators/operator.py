"""What the suite knows of an operator: how to call it, the right answer in every dialect, and telling inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..answers import REFUSED, Answer, Arrays, Refused, Units, same
from ..conventions import Convention, conventions

Inputs = Mapping[str, Any]  # in the order of the call: arrays, numbers, tuples of integers
Dialect = Mapping[str, str]  # a convention's name to that of its value


@dataclass(frozen=True)
class Vector:
    """An input that tells the values of the conventions ``tells`` apart; all others must not matter to it.

    ``inputs`` are as the operator is called; arrays are float64 and are cast to the dtype that the target takes.
    """

    name: str
    inputs: Inputs
    tells: tuple[str, ...]

    def cast(self, dtype: Any) -> dict[str, Any]:
        """The inputs, their floating-point arrays in ``dtype``."""
        return {
            name: value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
            for name, value in self.inputs.items()
        }


@dataclass(frozen=True)
class Operator:
    """``name``; the ``call`` in words; which inputs are ``boxes``; the ``reference``, of inputs and a dialect, and the
    ``vectors``.  ``exact`` answers are compared as they are, others within ``units`` steps of the target's dtype: a
    bound made of the inputs (by the length of a sum, say), or `answers.UNITS`.  A dtype of whole numbers is exact.

    An operator with several ``outputs`` answers a tuple of arrays in that order.  ``legal`` says of an answer that is
    not the reference's why it is right all the same: "undecided", within the rounding that a dialect leaves open, or
    "unspecified", another order of ties that it leaves open; "" if it is neither.
    """

    name: str
    call: str
    reference: Callable[[Inputs, Dialect], Answer]
    vectors: tuple[Vector, ...]
    boxes: tuple[str, ...] = ()
    exact: bool = False
    outputs: tuple[str, ...] = ("answer",)
    units: Callable[[Inputs], Units] | None = None
    legal: Callable[[Inputs, Dialect, Arrays], str] | None = None

    @property
    def conventions(self) -> Mapping[str, Convention]:
        """What it leaves open, by name."""
        return conventions(self.name)

    def dialect(self, **values: str) -> dict[str, str]:
        """A full dialect: the first value of each convention, unless ``values`` says another."""
        for name, value in values.items():
            if name not in self.conventions:
                raise ValueError(f"{self.name} has no convention {name!r}; there are {', '.join(self.conventions)}")
            self.conventions[name].value(value)
        return {name: values.get(name, c.values[0].name) for name, c in self.conventions.items()}

    def leaves_open(self, values: Dialect) -> bool:
        """Is one of these values of conventions an open one?"""
        return any(self.conventions[name].value(value).open for name, value in values.items())

    def same(self, found: Answer, expected: Answer, inputs: Inputs | None = None) -> bool:
        """Is ``found`` the ``expected`` answer to ``inputs``?"""
        units = None if self.units is None or inputs is None else self.units(inputs)
        return same(found, expected, units, exact=self.exact)

    def judge(self, found: Answer, inputs: Inputs, dialect: Dialect) -> str:
        """``found`` in a dialect: "same" as the reference's; "undecided" or "unspecified"; "" where it is wrong."""
        if self.same(found, self.reference(inputs, dialect), inputs):
            return "same"
        if self.legal is None or isinstance(found, Refused):
            return ""
        return self.legal(inputs, dialect, found)


__all__ = ["REFUSED", "Answer", "Arrays", "Dialect", "Inputs", "Operator", "Refused", "Units", "Vector"]
