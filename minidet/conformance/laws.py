"""Laws that hold of an operator whatever its conventions are: two calls whose answers follow from each other.

No reference is needed, so a law can be asked of anything, and what breaks one is a fault in every dialect; the few laws
that a convention suspends say which.  Each law is a function from ``call`` (inputs to an answer) and inputs to two
answers that must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .operators import REFUSED, Answer, Dialect, Inputs, Operator, Refused, Vector
from .search import smallest
from .target import Caller

Call = Callable[[Inputs], Answer]
Both = tuple[Answer, Answer]  # what came, and what the law says of it


@dataclass(frozen=True)
class Law:
    """``name``, the law in words (``says``), the two calls (``ask``), and the conventions that suspend it (``but``)."""

    name: str
    says: str
    ask: Callable[[Call, Inputs], Both]
    but: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _with(inputs: Inputs, **changes: Any) -> dict[str, Any]:
    return {**inputs, **changes}


def _mapped(answer: Answer, change: Callable[[np.ndarray], np.ndarray]) -> Answer:
    return answer if isinstance(answer, Refused) else change(answer)


def _boxes(inputs: Inputs, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The inputs with every array of boxes changed."""
    return {n: change(v) if n in ("boxes", "a", "b") else v for n, v in inputs.items()}


def _swapped(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows[:, [1, 0, 3, 2]])


def transposed_boxes(call: Call, inputs: Inputs) -> Both:
    """The axes change places."""
    return call(_boxes(inputs, _swapped)), call(inputs)


def moved_boxes(call: Call, inputs: Inputs) -> Both:
    """All boxes go to the left of and above zero."""
    return call(_boxes(inputs, lambda rows: rows - rows.dtype.type(64))), call(inputs)


def moved_below_zero(call: Call, inputs: Inputs) -> Both:
    """All boxes go so far that the greatest coordinate is -1, where an offset of the greatest plus 1 is none."""
    most = max((float(v.max()) for n, v in inputs.items() if n in ("boxes", "a", "b") and v.size), default=0.0)
    return call(_boxes(inputs, lambda rows: rows - rows.dtype.type(most + 1))), call(inputs)


def scaled_boxes(call: Call, inputs: Inputs) -> Both:
    """All coordinates double."""
    return call(_boxes(inputs, lambda rows: rows * rows.dtype.type(2))), call(inputs)


def one_more_far_away(call: Call, inputs: Inputs) -> Both:
    """A box of the least score, far from all others, joins: it is kept, last, and nothing else changes."""
    if inputs["threshold"] <= 0:  # at which an overlap of 0 may suppress
        return call(inputs), call(inputs)
    rows, scores = inputs["boxes"], inputs["scores"]
    far = np.array([[900, 900, 910, 910]], rows.dtype)
    more = _with(inputs, boxes=np.concatenate([rows, far]), scores=np.append(scores, scores.dtype.type(2**-10)))
    if "classes" in inputs:
        more["classes"] = np.append(inputs["classes"], inputs["classes"][:1])
    return call(more), _mapped(call(inputs), lambda kept: np.append(kept, len(rows)).astype(np.int64))


def many_more_far_away(call: Call, inputs: Inputs) -> Both:
    """1,100 equal boxes of lesser scores, far from all others, join: the first of them is kept, last."""
    if not 0 < inputs["threshold"] < 1:  # at 1, equal boxes may all stay
        return call(inputs), call(inputs)
    rows, scores, count = inputs["boxes"], inputs["scores"], 1100
    far = np.repeat(np.array([[900, 900, 910, 910]], rows.dtype), count, axis=0)
    less = (scores.dtype.type(2**-10) * np.linspace(1, 0.5, count)).astype(scores.dtype)
    more = _with(inputs, boxes=np.concatenate([rows, far]), scores=np.concatenate([scores, less]))
    if "classes" in inputs:
        more["classes"] = np.append(inputs["classes"], np.repeat(inputs["classes"][:1], count))
    return call(more), _mapped(call(inputs), lambda kept: np.append(kept, len(rows)).astype(np.int64))


def in_another_order(call: Call, inputs: Inputs) -> Both:
    """The boxes come in reverse, with scores that differ: the same boxes are kept, in the same order."""
    rows = inputs["boxes"]
    apart = inputs["scores"] + np.arange(len(rows), dtype=np.float64).astype(inputs["scores"].dtype) / 128
    given = _with(inputs, scores=apart)
    turned = {n: v[::-1].copy() if n in ("boxes", "scores", "classes") else v for n, v in given.items()}
    return _mapped(call(turned), lambda kept: len(rows) - 1 - kept), call(given)


def class_by_class(call: Call, inputs: Inputs) -> Both:
    """Each class alone keeps what it keeps among the others; compared as sets."""
    kept: list[int] = []
    for c in np.unique(inputs["classes"]):
        (members,) = np.nonzero(inputs["classes"] == c)
        part = call({n: v[members] if n in ("boxes", "scores", "classes") else v for n, v in inputs.items()})
        if isinstance(part, Refused):
            return part, call(inputs)
        kept += members[part].tolist()
    return _mapped(call(inputs), np.sort), np.array(sorted(kept), np.int64)


def exchanged(call: Call, inputs: Inputs) -> Both:
    """The two lists change places: the matrix is transposed."""
    turned = call({"a": inputs["b"], "b": inputs["a"]})
    return _mapped(turned, lambda matrix: matrix.T), call(inputs)


def pair_by_pair(call: Call, inputs: Inputs) -> Both:
    """Each element of the matrix is what its two boxes alone give."""
    a, b = inputs["a"], inputs["b"]
    alone = [[call({"a": a[i : i + 1], "b": b[j : j + 1]}) for j in range(len(b))] for i in range(len(a))]
    if any(isinstance(one, Refused) for row in alone for one in row):
        return alone[0][0], call(inputs)
    return call(inputs), np.array([[np.asarray(one)[0, 0] for one in row] for row in alone]).reshape(len(a), len(b))


def doubled(call: Call, inputs: Inputs) -> Both:
    """All values of the map double: so does the answer."""
    two = inputs["x"].dtype.type(2)
    return call(_with(inputs, x=inputs["x"] * two)), _mapped(call(inputs), lambda y: 2 * y)


def transposed_map(call: Call, inputs: Inputs) -> Both:
    """Rows and columns of the map change places: so do those of the answer."""
    turned = _with(inputs, x=np.ascontiguousarray(inputs["x"].swapaxes(2, 3)))
    for name in ("size", "output_size"):
        if isinstance(inputs.get(name), tuple):
            turned[name] = inputs[name][::-1]
    if "rois" in inputs:
        turned["rois"] = np.ascontiguousarray(inputs["rois"][:, [0, 2, 1, 4, 3]])
    return _mapped(call(turned), lambda y: y.swapaxes(2, 3)), call(inputs)


def one_region_alone(call: Call, inputs: Inputs) -> Both:
    """The last region alone gives what it gives among the others."""
    return call(_with(inputs, rois=inputs["rois"][-1:])), _mapped(call(inputs), lambda y: y[-1:])


def one_image_alone(call: Call, inputs: Inputs) -> Both:
    """A second image in the batch, of other values, changes nothing for the first."""
    x = inputs["x"]
    answer, alone = call(_with(inputs, x=np.concatenate([x, 7 - x]))), call(inputs)
    return _mapped(answer, lambda y: y if "rois" in inputs else y[: len(x)]), alone


INCLUSIVE = {"width": ("inclusive",)}
_NMS = (
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
)
LAWS: Mapping[str, tuple[Law, ...]] = {
    "nms": _NMS,
    "batched_nms": (*_NMS, Law("class by class", "a class alone keeps what it keeps among others", class_by_class)),
    "iou": (
        Law("transpose", "x and y change places: the same overlaps", transposed_boxes),
        Law("translate", "all boxes move by -64: the same overlaps", moved_boxes),
        Law("scale", "all coordinates double: the same overlaps", scaled_boxes, {
            **INCLUSIVE, "empty": ("add_1e-7", "add_1e-9", "at_least_1e-6"),
        }),
        Law("symmetry", "the lists change places: the matrix is transposed", exchanged),
        Law("pairs", "each element is what its two boxes give alone", pair_by_pair),
    ),
    "roi_align": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("region alone", "a region alone gives what it gives among others", one_region_alone),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
    "max_pool2d": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
    "resize": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class LawVerdict:
    """``word``: "holds", "broken", "suspended" by a convention, or "crashes" or "hangs"; ``inputs``, ``got`` and
    ``wanted`` where it is broken.
    """

    law: Law
    word: str
    tried: int = 0
    inputs: Inputs | None = None
    got: Answer | None = None
    wanted: Answer | None = None
    reason: str = ""


class _StoppedError(Exception):
    """The target crashed or hung."""


def laws(
    operator: Operator, target: Caller, dialect: Dialect, *, examples: int = 100, dtype: str = "float32", seed: int = 0
) -> list[LawVerdict]:
    """Every law of the operator, asked of ``examples`` drawn inputs; ``dialect`` says which are suspended."""
    return [_asked(law, operator, target, dialect, examples, dtype, seed) for law in LAWS[operator.name]]


def _asked(
    law: Law, operator: Operator, target: Caller, dialect: Dialect, examples: int, dtype: str, seed: int
) -> LawVerdict:
    from .draw import DRAWS

    if any(dialect[name] in values for name, values in law.but.items()):
        return LawVerdict(law, "suspended", reason=", ".join(f"{n}={dialect[n]}" for n in law.but))
    seen: list[tuple[Inputs, Both]] = []
    stopped: list[tuple[str, str]] = []

    def call(inputs: Inputs) -> Answer:
        outcome = target.call(inputs)
        if outcome.kind in ("crashes", "hangs"):
            stopped.append((outcome.kind, outcome.reason))
            raise _StoppedError
        return REFUSED if outcome.answer is None else outcome.answer

    def broken(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        both = law.ask(call, cast)
        if operator.same(*both):
            return False
        seen.append((cast, both))
        return True

    try:
        tried, found = smallest(DRAWS[operator.name](dialect), broken, examples=examples, seed=seed)
    except _StoppedError:
        return LawVerdict(law, *stopped[-1][:1], reason=stopped[-1][1])
    if not found:
        return LawVerdict(law, "holds", tried)
    inputs, (got, wanted) = seen[-1]
    return LawVerdict(law, "broken", tried, inputs, got, wanted)
