"""Laws of overlaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

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


def corners_exchanged(call: Call, inputs: Inputs) -> Both:
    """The axes change places: the same losses, and gradients whose entries change places."""
    turned = call({name: np.ascontiguousarray(rows[:, [1, 0, 3, 2]]) for name, rows in inputs.items()})
    return turned, mapped(call(inputs), lambda both: (both[0], both[1][:, [1, 0, 3, 2]]))


def pairs_moved(call: Call, inputs: Inputs) -> Both:
    """Both boxes of each pair go by -64: the same losses and gradients."""
    return call({name: rows - rows.dtype.type(64) for name, rows in inputs.items()}), call(inputs)


def pairs_doubled(call: Call, inputs: Inputs) -> Both:
    """All coordinates double: the same losses, half the gradients."""
    turned = call({name: rows * rows.dtype.type(2) for name, rows in inputs.items()})
    return turned, mapped(call(inputs), lambda both: (both[0], both[1] / 2))


def last_pair_alone(call: Call, inputs: Inputs) -> Both:
    """The last pair alone has the loss and the gradient that it has among the others."""
    alone = call({name: rows[-1:] for name, rows in inputs.items()})
    return alone, mapped(call(inputs), lambda both: (both[0][-1:], both[1][-1:]))


def of_boxes_with_sides(ask: Callable[[Call, Inputs], Both]) -> Callable[[Call, Inputs], Both]:
    """The law asked of boxes with sides of 1 at least: a point has no shape that could turn with the others'."""

    def wide(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows[:, :2], np.maximum(rows[:, 2:], rows[:, :2] + rows.dtype.type(1))], axis=1)

    return lambda call, inputs: ask(call, {name: wide(rows) for name, rows in inputs.items()})


def _shaped(laws: tuple[Law, ...]) -> tuple[Law, ...]:
    return tuple(replace(law, ask=of_boxes_with_sides(law.ask)) if law.name == "transpose" else law for law in laws)


def _matrix(*sized: str) -> tuple[Law, ...]:
    """The laws of a matrix; what the conventions ``sized`` add to a quotient does not double with the boxes."""
    but = dict.fromkeys(sized, ("add_1e-7", "add_1e-9", "at_least_1e-6"))
    return (
        Law("transpose", "x and y change places: the same overlaps", transposed_boxes),
        Law("translate", "all boxes move by -64: the same overlaps", moved_boxes),
        Law("scale", "all coordinates double: the same overlaps", scaled_boxes, {**INCLUSIVE, **but}),
        Law("symmetry", "the lists change places: the matrix is transposed", exchanged),
        Law("pairs", "each element is what its two boxes give alone", pair_by_pair),
    )


_LOSS = (
    Law("transpose", "x and y change places: so do the entries of the gradient", corners_exchanged),
    Law("translate", "all boxes move by -64: the same losses and gradients", pairs_moved),
    Law(
        "scale",
        "all coordinates double: the same losses, half the gradients",
        pairs_doubled,
        {"empty": ("add_1e-7",), "empty_hull": ("add_1e-7",)},
    ),
    Law("pair alone", "a pair alone has the loss and the gradient that it has among others", last_pair_alone),
)
LAWS: Mapping[str, tuple[Law, ...]] = {
    "iou": _matrix("empty"),
    "giou": _matrix("empty", "empty_hull"),
    "diou": _matrix("empty", "empty_hull"),
    "ciou": _shaped(_matrix("empty", "empty_hull")),
    "giou_loss": _LOSS,
    "diou_loss": _LOSS,
    "ciou_loss": _shaped(_LOSS),
}
