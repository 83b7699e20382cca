"""Boxes that move, turn or grow together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..operators import Inputs
from .law import Both, Call, boxes

#: A pixel more to each side, and doubled boxes do not have doubled sides.
INCLUSIVE = {"width": ("inclusive",)}


def of_whole_numbers(ask: Callable[[Call, Inputs], Both]) -> Callable[[Call, Inputs], Both]:
    """The law asked of the boxes rounded to whole numbers: what moves others, rounds them."""
    return lambda call, inputs: ask(call, boxes(inputs, np.rint))


def _swapped(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows[:, [1, 0, 3, 2]])


def transposed_boxes(call: Call, inputs: Inputs) -> Both:
    """The axes change places."""
    return call(boxes(inputs, _swapped)), call(inputs)


def moved_boxes(call: Call, inputs: Inputs) -> Both:
    """All boxes go to the left of and above zero."""
    return call(boxes(inputs, lambda rows: rows - rows.dtype.type(64))), call(inputs)


def moved_below_zero(call: Call, inputs: Inputs) -> Both:
    """All boxes go so far that the greatest coordinate is -1, where an offset of the greatest plus 1 is none."""
    most = max((float(v.max()) for n, v in inputs.items() if n in ("boxes", "a", "b") and v.size), default=0.0)
    return call(boxes(inputs, lambda rows: rows - rows.dtype.type(most + 1))), call(inputs)


def scaled_boxes(call: Call, inputs: Inputs) -> Both:
    """All coordinates double."""
    return call(boxes(inputs, lambda rows: rows * rows.dtype.type(2))), call(inputs)
