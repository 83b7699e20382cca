"""What the suite knows of an operator: how to call it, the right answer in every dialect, and telling inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..conventions import Convention, conventions

Inputs = Mapping[str, Any]  # in the order of the call: arrays, numbers, tuples of integers
Dialect = Mapping[str, str]  # a convention's name to that of its value


class Refused:
    """The answer of a dialect in which the input is an error."""

    def __repr__(self) -> str:
        return "an error"


REFUSED = Refused()
Answer = np.ndarray | Refused


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
    ``vectors``.  ``exact`` answers are compared as they are, others within the rounding of the target's dtype.
    """

    name: str
    call: str
    reference: Callable[[Inputs, Dialect], Answer]
    vectors: tuple[Vector, ...]
    boxes: tuple[str, ...] = ()
    exact: bool = False

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

    def same(self, found: Answer, expected: Answer) -> bool:
        """Is ``found`` the ``expected`` answer?  NaN equals NaN alone, and shapes must be equal."""
        if isinstance(found, Refused) or isinstance(expected, Refused):
            return isinstance(found, Refused) and isinstance(expected, Refused)
        if found.shape != expected.shape or found.dtype.kind not in "iufb":
            return False
        if self.exact:
            return bool(np.array_equal(found, expected))
        unit = np.finfo(found.dtype if found.dtype.kind == "f" else np.float64).eps
        with np.errstate(invalid="ignore"):
            near = np.abs(found.astype(np.float64) - expected) <= 16 * unit * np.maximum(1, np.abs(expected))
        near &= np.isfinite(expected)
        return bool(np.all(near | (found == expected) | (np.isnan(found) & np.isnan(expected))))
