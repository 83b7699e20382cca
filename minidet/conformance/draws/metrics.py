"""Truths and detections of a few images; masks and polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from ..operators.coco_ap import ALL_TEN, apart
from ..operators.coco_ap import case as coco_case
from ..operators.coco_mask_ap import with_masks
from ..operators.voc_ap import case as voc_case
from .draw import Draw

SIZE = (8, 24)  # of masks


#: Of truths and detections: some coincide, some overlap by a third, one holds others, one is apart.
BOXES = ((0, 0, 4, 4), (12, 0, 16, 4), (2, 0, 6, 4), (0, 0, 8, 8))
#: Their corners moved: IoU with what they were is 1, 3/5, 1/2 and 1/3.
MOVES = ((0, 0, 0, 0), (1, 0, 1, 0), (0, 0, 0, -2), (2, 0, 2, 0))
OBJECT = st.integers(0, 2**15 - 1)


class Bits:
    """A drawn number, taken apart: one draw for all of an object, as draws are what takes time."""

    def __init__(self, number: int) -> None:
        self.left = number

    def of(self, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        self.left, which = divmod(self.left, len(choices))
        return choices[which]

    def box(self) -> list[int]:
        """One of ``BOXES``, at times moved."""
        corners, move = self.of(BOXES), self.of((*MOVES[:1] * 3, *MOVES))
        return [corner + by for corner, by in zip(corners, move, strict=True)]


@st.composite
def ranking(draw: Any) -> tuple[list[list[int]], list[tuple[list[int], float]]]:
    """Of n truths far apart, a few found perfectly, with misses among them."""
    n = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 10, 20]))
    hits = Bits(draw(st.integers(0, 2**n - 1)))
    places = apart(2 * n)
    found = [(places[i if hits.of((True, False)) else n + i], 1 - i / 64) for i in range(draw(st.integers(0, n)))]
    return places[:n], found


@st.composite
def of_coco_ap(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes that coincide, are cut in half or moved; rankings of boxes far apart."""
    if draw(st.integers(0, 5)) == 5:
        places, found = draw(ranking())
        return coco_case([{"box": one} for one in places], found)
    return draw(_scene())


@st.composite
def _scene(draw: Any) -> dict[str, Any]:
    of_all = Bits(draw(st.integers(0, 2**16 - 1)))
    classes, images = of_all.of((2, 1, 1)), of_all.of((2, 1))
    first = of_all.of((1, 0, 1))
    truths = []
    for n, number in enumerate(draw(st.lists(OBJECT, min_size=1, max_size=4)), first):
        one = Bits(number)
        truths.append({
            "box": one.box(), "image": one.of(range(images)), "label": one.of(range(classes)),
            "crowd": one.of((0, 1, 0)), "ignore": one.of((0, 0, 0, 1)), "id": n,
        })  # fmt: skip
        if truths[-1]["crowd"]:
            truths[-1]["box"] = one.of((BOXES[3], BOXES[3], truths[-1]["box"]))  # which holds another
        area = one.of((0, 0, 8, 16, 32))
        truths[-1] |= {"area": area} if area else {}
    found = []
    for number in draw(st.lists(OBJECT, min_size=1, max_size=6)):
        one = Bits(number)
        found.append((one.box(), one.of((4, 3, 2, 1)) / 4, one.of(range(images)), one.of(range(classes))))
    return coco_case(
        truths,
        found,
        thresholds=of_all.of([(50,), (50,), (25,), (75,), (50, 75), (50,), ALL_TEN]),
        area_range=of_all.of([(0, 16), (0, 10**6), (16, 10**6)]),
        limit=of_all.of([100, 100, 1, 2]),
        classes=classes,
    )


@st.composite
def of_coco_mask_ap(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Masks of the same boxes, some without a pixel at one corner."""
    given = with_masks(draw(_scene()), SIZE)
    cut = Bits(draw(st.integers(0, 2**16 - 1)))
    for name in ("truth_masks", "masks"):
        for mask in given[name]:
            if cut.of((False, False, True)):
                rows, columns = np.nonzero(mask)
                mask[rows[0], columns[-1]] = 0
    return given


@st.composite
def of_voc_ap(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Likewise, of one class, some truths difficult."""
    if draw(st.integers(0, 5)) == 5:
        places, ranked = draw(ranking())
        return voc_case([(one,) for one in places], ranked)
    of_all = Bits(draw(st.integers(0, 2**8 - 1)))
    images = of_all.of((1, 2, 2, 3))
    those = [Bits(number) for number in draw(st.lists(OBJECT, min_size=1, max_size=4))]
    these = [Bits(number) for number in draw(st.lists(OBJECT, min_size=1, max_size=6))]
    truths = [(one.box(), one.of(range(images)), one.of((0, 0, 0, 1))) for one in those]
    found = [(one.box(), one.of((4, 3, 2, 1)) / 4, one.of(range(images))) for one in these]
    return voc_case(truths, found, of_all.of([0.5, 0.5, 0.25, 0.75]))


@st.composite
def of_rle(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Masks up to 5 x 5, full and empty ones among them."""
    h, w = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    pixels = Bits(draw(st.integers(0, 2 ** (h * w) - 1)))
    return {"mask": np.array([pixels.of((0, 1)) for _ in range(h * w)], np.uint8).reshape(h, w)}


@st.composite
def of_polygon_mask(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Corners of whole numbers, halves and eighths, some outside the mask."""
    unit = draw(st.sampled_from([2, 1, 2, 8]))
    h, w = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    corner = st.integers(0, (8 * unit + 1) ** 2 - 1)
    corners = [divmod(one, 8 * unit + 1) for one in draw(st.lists(corner, min_size=3, max_size=5))]
    return {"polygon": np.array(corners, np.float64) / unit - 1, "size": (h, w)}


DRAWS: Mapping[str, Draw] = {
    "coco_ap": of_coco_ap,
    "coco_mask_ap": of_coco_mask_ap,
    "voc_ap": of_voc_ap,
    "rle": of_rle,
    "polygon_mask": of_polygon_mask,
}
