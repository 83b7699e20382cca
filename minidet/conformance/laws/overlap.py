"""Laws of overlaps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..operators import Inputs, Refused
from .law import Both, Call, Law, mapped
from .moved import INCLUSIVE, moved_boxes, scaled_boxes, transposed_boxes


def exchanged(call: Call, inputs: Inputs) -> Both:
    """The two lists change places: the matrix is transposed."""
    turned = call({"a": inputs["b"], "b": inputs["a"]})
    return mapped(turned, lambda matrix: matrix.T), call(inputs)


def pair_by_pair(call: Call, inputs: Inputs) -> Both:
    """Each element of the matrix is what its two boxes alone give."""
    a, b = inputs["a"], inputs["b"]
    alone = [[call({"a": a[i : i + 1], "b": b[j : j + 1]}) for j in range(len(b))] for i in range(len(a))]
    if any(isinstance(one, Refused) for row in alone for one in row):
        return alone[0][0], call(inputs)
    return call(inputs), np.array([[np.asarray(one)[0, 0] for one in row] for row in alone]).reshape(len(a), len(b))


LAWS: Mapping[str, tuple[Law, ...]] = {
    "iou": (
        Law("transpose", "x and y change places: the same overlaps", transposed_boxes),
        Law("translate", "all boxes move by -64: the same overlaps", moved_boxes),
        Law(
            "scale",
            "all coordinates double: the same overlaps",
            scaled_boxes,
            {
                **INCLUSIVE,
                "empty": ("add_1e-7", "add_1e-9", "at_least_1e-6"),
            },
        ),
        Law("symmetry", "the lists change places: the matrix is transposed", exchanged),
        Law("pairs", "each element is what its two boxes give alone", pair_by_pair),
    ),
}
