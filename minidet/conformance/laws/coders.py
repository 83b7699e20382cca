"""Laws of coders, anchors, priors, matchers and levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..operators import Answer, Inputs, Refused
from .law import Both, Call, Law, changed, mapped

#: Inputs that hold boxes, and those with a row for each of them.
BOXES = ("boxes", "priors", "anchors", "truths")
SWAPPED = [1, 0, 3, 2]


def _boxes(inputs: Inputs, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    return {n: np.ascontiguousarray(change(v)) if n in BOXES else v for n, v in inputs.items()}


def _by(number: float) -> Callable[[np.ndarray], np.ndarray]:
    """Boxes of sixteenths move, and so are rounded nowhere; others stay."""
    return lambda rows: np.where((rows * 16 % 1 == 0).all(axis=1, keepdims=True), rows + rows.dtype.type(number), rows)


def _two(rows: np.ndarray) -> np.ndarray:
    return rows * rows.dtype.type(2)


def _swap(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows[:, SWAPPED])


def moved(call: Call, inputs: Inputs) -> Both:
    """All boxes move to the left of and above zero: the same answer."""
    return call(_boxes(inputs, _by(-64))), call(inputs)


def moved_along(call: Call, inputs: Inputs) -> Both:
    """All boxes move: so does the answer."""
    return call(_boxes(inputs, _by(-64))), mapped(call(inputs), lambda boxes: boxes - 64)


def doubled(call: Call, inputs: Inputs) -> Both:
    """All coordinates double: the same answer."""
    return call(_boxes(inputs, _two)), call(inputs)


def doubled_along(call: Call, inputs: Inputs) -> Both:
    """All coordinates double: so do the answer's."""
    return call(_boxes(inputs, _two)), mapped(call(inputs), lambda boxes: 2 * boxes)


def transposed(call: Call, inputs: Inputs) -> Both:
    """X and y change places in the boxes: the same answer."""
    return call(_boxes(inputs, _swap)), call(inputs)


def transposed_along(call: Call, inputs: Inputs) -> Both:
    """X and y change places in all inputs: so they do in the answer."""
    turned = {n: _swap(v) if n == "deltas" else v for n, v in _boxes(inputs, _swap).items()}
    if "size" in turned:
        turned["size"] = turned["size"][::-1]
    return call(turned), mapped(call(inputs), _swap)


def row_by_row(call: Call, inputs: Inputs) -> Both:
    """Each row alone gives what it gives among the others."""
    names = [n for n in ("boxes", "deltas", "priors", "anchors") if n in inputs]
    alone = [call(changed(inputs, **{n: inputs[n][k : k + 1] for n in names})) for k in range(len(inputs[names[0]]))]
    refused = [one for one in alone if isinstance(one, Refused)]
    if refused:
        return refused[0], call(inputs)
    return call(inputs), np.concatenate([np.asarray(one) for one in alone])


# YOLO heads: one cell, so that the order of the boxes does not matter.


def _first_cell(inputs: Inputs) -> dict[str, Any]:
    (height, width), (h, w) = inputs["size"], inputs["raw"].shape[2:]
    return changed(inputs, raw=np.ascontiguousarray(inputs["raw"][:, :, :1, :1]), size=(height // h, width // w))


def _grouped(inputs: Inputs) -> np.ndarray:
    """The raw map (A, 5 + classes, h, w), a copy."""
    return inputs["raw"].reshape(len(inputs["anchors"]), -1, *inputs["raw"].shape[2:]).copy()


def _with(inputs: Inputs, t: np.ndarray) -> dict[str, Any]:
    return changed(inputs, raw=np.ascontiguousarray(t.reshape(1, -1, *t.shape[2:])))


def transposed_cell(call: Call, inputs: Inputs) -> Both:
    """Of the first cell alone, x and y change places."""
    one = _first_cell(inputs)
    t = _grouped(one)
    t[:, :4] = t[:, SWAPPED]
    turned = changed(_with(one, t), anchors=np.ascontiguousarray(one["anchors"][:, ::-1]), size=one["size"][::-1])
    return call(turned), mapped(call(one), lambda pair: (_swap(pair[0]), pair[1]))


def one_class_more(call: Call, inputs: Inputs) -> Both:
    """A class more changes nothing for the others."""
    t = _grouped(inputs)
    more = call(_with(inputs, np.concatenate([t, t[:, 5:6] / 2], axis=1)))
    return mapped(more, lambda pair: (pair[0], pair[1][:, :-1])), call(inputs)


def objectness_moves_nothing(call: Call, inputs: Inputs) -> Both:
    """Another objectness, the same boxes."""
    t = _grouped(inputs)
    t[:, 4] = 1 - t[:, 4]
    boxes: Callable[[Any], Any] = lambda pair: (pair[0], 0 * pair[1])  # noqa: E731
    return mapped(call(_with(inputs, t)), boxes), mapped(call(inputs), boxes)


# Anchors and priors: cells of a grid.


def _shifts(inputs: Inputs, across: float, down: float) -> np.ndarray:
    rows, columns = inputs["cells"]
    return np.array([[i * across, j * down] * 2 for j in range(rows) for i in range(columns)])[:, None]


def _from_the_first(call: Call, inputs: Inputs, across: float, down: float) -> Both:
    whole = call(inputs)
    count = int(np.prod(inputs["cells"]))

    def built(boxes: np.ndarray) -> np.ndarray:
        first = boxes.reshape(count, -1, 4)[0].astype(np.float64)
        return (_shifts(inputs, across, down) + first).reshape(-1, 4)

    return whole, mapped(whole, built)


def anchors_cell_by_cell(call: Call, inputs: Inputs) -> Both:
    """The anchors of a cell are those of the first, further by strides."""
    return _from_the_first(call, inputs, inputs["stride"], inputs["stride"])


def _of_turned_grid(answer: Answer, cells: tuple[int, int]) -> Answer:
    def turn(boxes: np.ndarray) -> np.ndarray:
        grid = boxes.reshape(*cells, -1, 4).swapaxes(0, 1)[..., SWAPPED]
        return np.ascontiguousarray(grid).reshape(-1, 4)

    return mapped(answer, turn)


def transposed_anchors(call: Call, inputs: Inputs) -> Both:
    """Rows and columns of cells change places, and ratios become their inverses."""
    turned = changed(inputs, cells=inputs["cells"][::-1], ratios=1 / inputs["ratios"])
    return call(turned), _of_turned_grid(call(inputs), inputs["cells"])


def doubled_anchors(call: Call, inputs: Inputs) -> Both:
    """Of squares with even sides, which need no rounding, sizes and stride double: so do the anchors."""
    one = changed(inputs, sizes=inputs["sizes"] * 2, ratios=np.ones_like(inputs["ratios"][:1]))
    both = changed(one, sizes=one["sizes"] * 2, stride=2 * inputs["stride"])
    return call(both), mapped(call(one), lambda boxes: 2 * boxes)


def one_row_more(call: Call, inputs: Inputs) -> Both:
    """Cells below change nothing for those above."""
    rows, columns = inputs["cells"]
    answer = call(inputs)
    more = call(changed(inputs, cells=(rows + 1, columns)))
    if isinstance(answer, Refused) or isinstance(more, Refused):
        return more, answer
    return np.asarray(more)[: len(np.asarray(answer))], answer


def transposed_priors(call: Call, inputs: Inputs) -> Both:
    """Of squares alone, rows and columns of cells and sides of the image change places."""
    squares = changed(inputs, ratios=inputs["ratios"][:0])
    turned = changed(squares, cells=inputs["cells"][::-1], size=inputs["size"][::-1])
    return call(turned), _of_turned_grid(call(squares), inputs["cells"])


def doubled_priors(call: Call, inputs: Inputs) -> Both:
    """The image, the sizes and the step double: the same fractions."""
    both = {n: inputs[n] * 2 for n in ("small", "large", "step")}
    return call(changed(inputs, **both, size=tuple(2 * v for v in inputs["size"]))), call(inputs)


def alone_in_the_middle(call: Call, inputs: Inputs) -> Both:
    """The first shape of each cell is a square around the cell's centre: all have the sides of the first."""
    whole = call(changed(inputs, ratios=inputs["ratios"][:0]))
    count = int(np.prod(inputs["cells"]))

    def sides(boxes: np.ndarray) -> np.ndarray:
        shape = boxes.reshape(count, -1, 4)
        return shape[..., 2:] - shape[..., :2]

    return mapped(whole, sides), mapped(whole, lambda boxes: np.repeat(sides(boxes)[:1], count, axis=0))


# Matchers.


def _far(rows: np.ndarray) -> np.ndarray:
    return np.array([[900, 900, 910, 910]], rows.dtype)


def one_truth_far_away(call: Call, inputs: Inputs) -> Both:
    """A truth far from all else joins: nothing changes."""
    if not len(inputs["truths"]):  # where a dialect may refuse
        return call(inputs), call(inputs)
    return call(changed(inputs, truths=np.concatenate([inputs["truths"], _far(inputs["truths"])]))), call(inputs)


def one_more_far_away(call: Call, inputs: Inputs) -> Both:
    """An anchor far from all else joins: it answers for nothing, and nothing else changes."""
    name = "anchors" if "anchors" in inputs else "priors"
    if min(inputs[n] for n in ("low", "threshold") if n in inputs) <= 0 or not len(inputs["truths"]):
        return call(inputs), call(inputs)
    more = changed(inputs, **{name: np.concatenate([inputs[name], _far(inputs[name])])})
    return call(more), mapped(call(inputs), lambda found: np.append(found, -1))


def a_higher_threshold(call: Call, inputs: Inputs) -> Both:
    """Who answers at thresholds of 1 is equal to a truth, or answers by force: at lower ones it has the same truth."""
    if not len(inputs["truths"]):
        return call(inputs), call(inputs)
    names = [n for n in ("high", "low", "threshold") if n in inputs]
    strict, loose = call(changed(inputs, **dict.fromkeys(names, 1.0))), call(inputs)
    if isinstance(strict, Refused) or isinstance(loose, Refused):
        return strict, loose
    forced = np.asarray(strict) >= 0
    return np.where(forced, strict, -1), np.where(forced, loose, -1)


# Levels.


def one_level_up(call: Call, inputs: Inputs) -> Both:
    """All coordinates double, and the range of levels is one higher: each box is a level higher."""
    if (inputs["boxes"] * 16 % 1).any():  # near an edge between levels; the sum is rounded otherwise a level higher
        return call(inputs), call(inputs)
    higher = changed(_boxes(inputs, _two), lowest=inputs["lowest"] + 1, highest=inputs["highest"] + 1)
    return call(higher), mapped(call(inputs), lambda level: level + 1)


def never_lower(call: Call, inputs: Inputs) -> Both:
    """A box that grows is of no lower level."""
    rows = inputs["boxes"].copy()
    rows[:, 2:] += 7
    less, more = call(inputs), call(changed(inputs, boxes=rows))
    if isinstance(less, Refused) or isinstance(more, Refused):
        return more, less
    return more, np.maximum(np.asarray(less), np.asarray(more))


SCALED = {"width": ("inclusive", "inclusive_open")}
ROWS = Law("rows", "each row alone gives what it gives among others", row_by_row)
ENCODE = (
    Law("translate", "all boxes move by -64: the same differences", moved),
    Law("transpose", "x and y change places, and so do the differences", transposed_along),
    ROWS,
)
DECODE = (
    Law(
        "translate", "all anchors move by -64, and so do the boxes", moved_along, {"clip": ("unit", "edges", "pixels")}
    ),
    Law("transpose", "x and y change places, and so they do in the boxes", transposed_along),
    ROWS,
)
MATCH = (
    Law("translate", "all boxes move by -64: the same matches", moved),
    Law("transpose", "x and y change places: the same matches", transposed),
    Law("thresholds", "who answers at thresholds of 1 answers for the same truth at lower ones", a_higher_threshold),
)
LAWS: Mapping[str, tuple[Law, ...]] = {
    "ssd_encode": (
        *ENCODE,
        Law("scale", "all coordinates double: the same differences", doubled, {"code": ("corner",)}),
    ),
    "ssd_decode": (
        *DECODE,
        Law(
            "scale",
            "all priors double, and so do the boxes",
            doubled_along,
            {"code": ("corner",), "clip": ("unit",)},
        ),
    ),
    "rcnn_encode": (*ENCODE, Law("scale", "all coordinates double: the same differences", doubled, SCALED)),
    "rcnn_decode": (
        *DECODE,
        Law(
            "scale",
            "all anchors double, and so do the boxes",
            doubled_along,
            {**SCALED, "clip": ("edges", "pixels")},
        ),
    ),
    "yolo_decode": (
        Law("transpose", "in one cell x and y change places, and so they do in the boxes", transposed_cell),
        Law("classes", "a class more changes nothing for the others", one_class_more),
        Law("objectness", "another objectness moves no box", objectness_moves_nothing),
    ),
    "anchors": (
        Law("grid", "the anchors of a cell are those of the first, further by strides", anchors_cell_by_cell),
        Law(
            "transpose",
            "rows and columns change places, ratios become their inverses",
            transposed_anchors,
            {"base": ("legacy",)},
        ),
        Law("scale", "squares of even sides and strides double", doubled_anchors, {"base": ("legacy",)}),
        Law("rows", "cells below change nothing for those above", one_row_more),
    ),
    "ssd_priors": (
        Law(
            "transpose",
            "rows and columns, and the image's sides, change places",
            transposed_priors,
            {"sides": ("fractions",)},
        ),
        Law("scale", "image, sizes and step double: the same fractions", doubled_priors, {"sizes": ("truncated",)}),
        Law("rows", "cells below change nothing for those above", one_row_more, {"centre": ("map",)}),
        Law("sides", "all cells have the same sides", alone_in_the_middle, {"clip": ("corners",)}),
    ),
    "match": (
        *MATCH,
        Law("scale", "all coordinates double: the same matches", doubled, {"width": ("inclusive",)}),
        Law("far truth", "a truth far away changes nothing", one_truth_far_away, {"untouched": ("all",)}),
        Law("far anchor", "an anchor far away answers for nothing", one_more_far_away, {"untouched": ("all",)}),
    ),
    "ssd_match": (
        *MATCH,
        Law("scale", "all coordinates double: the same matches", doubled),
        Law("far prior", "a prior far away answers for nothing", one_more_far_away, {"forced": ("bipartite",)}),
    ),
    "fpn_level": (
        Law("translate", "all boxes move by -64: the same levels", moved),
        Law("transpose", "x and y change places: the same levels", transposed),
        Law(
            "scale",
            "all coordinates double: each box is a level higher",
            one_level_up,
            {"width": ("inclusive",), "numbering": ("index",)},
        ),
        Law("grow", "a box that grows is of no lower level", never_lower),
        ROWS,
    ),
}
