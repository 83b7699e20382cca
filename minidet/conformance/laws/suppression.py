"""Laws of suppression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..operators import Inputs, Refused
from .law import Both, Call, Law, changed, mapped
from .moved import INCLUSIVE, moved_below_zero, moved_boxes, of_whole_numbers, scaled_boxes, transposed_boxes


def one_more_far_away(call: Call, inputs: Inputs) -> Both:
    """A box of the least score, far from all others, joins: it is kept, last, and nothing else changes."""
    if inputs["threshold"] <= 0:  # at which an overlap of 0 may suppress
        return call(inputs), call(inputs)
    rows, scores = inputs["boxes"], inputs["scores"]
    far = np.array([[900, 900, 910, 910]], rows.dtype)
    more = changed(inputs, boxes=np.concatenate([rows, far]), scores=np.append(scores, scores.dtype.type(2**-10)))
    if "classes" in inputs:
        more["classes"] = np.append(inputs["classes"], inputs["classes"][:1])
    return call(more), mapped(call(inputs), lambda kept: np.append(kept, len(rows)).astype(np.int64))


def many_more_far_away(call: Call, inputs: Inputs) -> Both:
    """1,100 equal boxes of lesser scores, far from all others, join: the first of them is kept, last."""
    if not 0 < inputs["threshold"] < 1:  # at 1, equal boxes may all stay
        return call(inputs), call(inputs)
    rows, scores, count = inputs["boxes"], inputs["scores"], 1100
    far = np.repeat(np.array([[900, 900, 910, 910]], rows.dtype), count, axis=0)
    less = (scores.dtype.type(2**-10) * np.linspace(1, 0.5, count)).astype(scores.dtype)
    more = changed(inputs, boxes=np.concatenate([rows, far]), scores=np.concatenate([scores, less]))
    if "classes" in inputs:
        more["classes"] = np.append(inputs["classes"], np.repeat(inputs["classes"][:1], count))
    return call(more), mapped(call(inputs), lambda kept: np.append(kept, len(rows)).astype(np.int64))


def in_another_order(call: Call, inputs: Inputs) -> Both:
    """The boxes come in reverse, with scores that differ: the same boxes are kept, in the same order."""
    rows = inputs["boxes"]
    apart = inputs["scores"] + np.arange(len(rows), dtype=np.float64).astype(inputs["scores"].dtype) / 128
    given = changed(inputs, scores=apart)
    turned = {n: v[::-1].copy() if n in ("boxes", "scores", "classes") else v for n, v in given.items()}
    return mapped(call(turned), lambda kept: len(rows) - 1 - kept), call(given)


def class_by_class(call: Call, inputs: Inputs) -> Both:
    """Each class alone keeps what it keeps among the others; compared as sets."""
    kept: list[int] = []
    for c in np.unique(inputs["classes"]):
        (members,) = np.nonzero(inputs["classes"] == c)
        part = call({n: v[members] if n in ("boxes", "scores", "classes") else v for n, v in inputs.items()})
        if isinstance(part, Refused):
            return part, call(inputs)
        kept += members[part].tolist()
    return mapped(call(inputs), np.sort), np.array(sorted(kept), np.int64)


def once_more(call: Call, inputs: Inputs) -> Both:
    """What is kept, asked again by itself, all stays."""
    kept = call(inputs)
    if isinstance(kept, Refused):
        return kept, kept
    members = np.sort(kept)
    part = call({n: v[members] if n in ("boxes", "scores", "classes") else v for n, v in inputs.items()})
    return mapped(part, lambda again: members[again]), kept


def a_better_one_far_away(call: Call, inputs: Inputs) -> Both:
    """A box of the best score, far from all others, joins: it keeps its score, and nothing else changes."""
    rows, scores = inputs["boxes"], inputs["scores"]
    far, best = np.array([[900, 900, 910, 910]], rows.dtype), scores.dtype.type(2)
    more = changed(inputs, boxes=np.concatenate([rows, far]), scores=np.append(scores, best))
    if "floor" not in inputs:
        return mapped(call(more), lambda lowered: lowered[:-1]), call(inputs)
    return call(more), mapped(call(inputs), lambda both: (np.append([len(rows)], both[0]), np.append(best, both[1])))


def scores_in_another_order(call: Call, inputs: Inputs) -> Both:
    """The boxes come in reverse, with scores that differ: so do the lowered scores."""
    rows = inputs["boxes"]
    apart = inputs["scores"] + np.arange(len(rows), dtype=np.float64).astype(inputs["scores"].dtype) / 128
    given = changed(inputs, scores=apart)
    turned = {n: v[::-1].copy() if n in ("boxes", "scores") else v for n, v in given.items()}
    return mapped(call(turned), lambda lowered: lowered[::-1]), call(given)


def scores_doubled(call: Call, inputs: Inputs) -> Both:
    """All scores double: so do the lowered ones."""
    two = inputs["scores"].dtype.type(2)
    return call(changed(inputs, scores=inputs["scores"] * two)), mapped(call(inputs), lambda lowered: lowered * two)


def all_doubled(call: Call, inputs: Inputs) -> Both:
    """All scores double, and the least one with them: the same boxes stay, with scores that double."""
    two = inputs["scores"].dtype.type(2)
    turned = call(changed(inputs, scores=inputs["scores"] * two, floor=inputs["floor"] * 2))
    return turned, mapped(call(inputs), lambda both: (both[0], both[1] * two))


MOVED = (
    Law("transpose", "x and y change places: the same answer", transposed_boxes),
    Law("translate", "all boxes move by -64: the same answer", moved_boxes),
    Law("scale", "all coordinates double: the same answer", scaled_boxes, INCLUSIVE),
)
BETTER = Law("far away", "a better box far away changes nothing for the others", a_better_one_far_away)
NMS = (
    Law("transpose", "x and y change places: the same boxes stay", transposed_boxes),
    Law("translate", "all boxes move by -64: the same boxes stay", moved_boxes),
    Law("below zero", "all boxes move until the greatest coordinate is -1: the same boxes stay", moved_below_zero),
    Law("scale", "all coordinates double: the same boxes stay", scaled_boxes, INCLUSIVE),
    Law("far away", "a worse box far away changes nothing for the others", one_more_far_away),
    Law("many far away", "1,100 worse boxes far away change nothing for the others", many_more_far_away),
    Law(
        "order",
        "boxes of unequal scores may come in any order",
        in_another_order,
        {"output_order": ("index",), "sorting": ("assumed",)},
    ),
    Law("once more", "what is kept, by itself, is kept again", once_more),
)

#: Of these there is no order that is assumed, and a thousand boxes more take their references too long.
RELATIVES = tuple(
    replace(law, but={name: values for name, values in law.but.items() if name != "sorting"})
    for law in NMS
    if law.name != "many far away"
)


def _whole(laws: tuple[Law, ...]) -> tuple[Law, ...]:
    return tuple(replace(law, ask=of_whole_numbers(law.ask)) for law in laws)


LAWS: Mapping[str, tuple[Law, ...]] = {
    "nms": _whole(NMS),
    "diou_nms": _whole(RELATIVES),
    "fast_nms": _whole(RELATIVES),
    "soft_nms": _whole(
        (*MOVED, BETTER, Law("double", "scores and the least one double: the same boxes stay", all_doubled))
    ),
    "matrix_nms": _whole(
        (
            *MOVED,
            BETTER,
            Law("order", "boxes of unequal scores may come in any order", scores_in_another_order),
            Law("double", "twice the scores, twice the answer", scores_doubled),
        )
    ),
    "batched_nms": _whole(
        (*NMS, Law("class by class", "a class alone keeps what it keeps among others", class_by_class))
    ),
}
