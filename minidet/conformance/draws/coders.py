"""Boxes and differences, anchors, priors, matches and levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..operators import Dialect
from .draw import Draw, rows_of, whole_numbers

#: The first ones are drawn most often; 1 hides what variances do.
VARIANCES = ((0.1, 0.2), (0.1, 0.2), (0.5, 0.25), (0.25, 0.125), (1.0, 1.0))
WEIGHTS = ((10, 5), (10, 5), (2, 4), (0.5, 0.25), (1, 1))
#: Of which the overlaps of small boxes are often one exactly.
THRESHOLDS = (0.5, 0.5, 0.7, 0.6, 0.25, 0.4, 0.3, 0.75, 0.8, 1.0)


def full_boxes(draw: Any, count: int, least: int = 1) -> np.ndarray:
    """(count, 4): whole numbers, sides of ``least`` to 10, some of them below zero."""
    place, side = st.integers(-6, 12), st.integers(least, 10)
    drawn = draw(st.lists(st.tuples(place, place, side, side), min_size=count, max_size=count))
    return rows_of([(x, y, x + w, y + h) for x, y, w, h in drawn])


def differences(draw: Any, count: int, *, wide: bool) -> np.ndarray:
    """(count, 4): eighths up to 2; of sides, if ``wide``, at times 5 or 6, which is more than log(1000 / 16)."""
    codes = whole_numbers(draw, (count, 4), 16) / 8
    if wide:
        for place in draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(2, 3)), max_size=2)):
            codes[place] = draw(st.sampled_from((5.0, 6.0, -5.0, -6.0)))
    return codes


@st.composite
def of_ssd_encode(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes of which some are empty, where that is no error."""
    count = draw(st.integers(1, 3))
    boxes = full_boxes(draw, count, int(dialect["empty"] == "refused"))
    return {
        "boxes": boxes,
        "priors": full_boxes(draw, count),
        "variances": np.array(draw(st.sampled_from(VARIANCES))),
    }


@st.composite
def of_ssd_decode(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Priors of sixteenths of an image; what is wide is wide after the variances."""
    count, variances = draw(st.integers(1, 3)), np.array(draw(st.sampled_from(VARIANCES)))
    taken = np.repeat(variances, 2) if dialect["variances"] == "multiplied" else np.ones(4)
    codes = differences(draw, count, wide=dialect["variances"] == "multiplied" and dialect["code"] == "centre_size")
    return {"deltas": codes / taken, "priors": full_boxes(draw, count) / 16, "variances": variances}


@st.composite
def of_rcnn_encode(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes with sides."""
    count = draw(st.integers(1, 3))
    weights = np.repeat(np.array(draw(st.sampled_from(WEIGHTS)), np.float64), 2)
    return {
        "boxes": full_boxes(draw, count),
        "anchors": full_boxes(draw, count),
        "weights": weights if dialect["weights"] == "multiplied" else 1 / weights,
    }


@st.composite
def of_rcnn_decode(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """An image that some boxes leave."""
    count = draw(st.integers(1, 3))
    weights = np.repeat(np.array(draw(st.sampled_from(WEIGHTS)), np.float64), 2)
    return {
        "deltas": differences(draw, count, wide=True) * weights,
        "anchors": full_boxes(draw, count),
        "weights": weights if dialect["weights"] == "divided" else 1 / weights,
        "size": (draw(st.integers(4, 24)), draw(st.integers(4, 24))),
    }


@st.composite
def of_yolo_decode(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Small maps of quarters; where the layer before squashes, of eighths in 0..1."""
    count, classes = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    h, w = draw(st.sampled_from(((1, 2), (2, 1), (1, 1), (2, 2), (1, 3))))
    shape = (1, count * (5 + classes), h, w)
    if dialect["activation"] == "before":
        values = draw(st.lists(st.integers(0, 8), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        raw = np.array(values, np.float64).reshape(shape) / 8
    else:
        raw = whole_numbers(draw, shape, 12) / 4
    anchors = [(draw(st.integers(1, 12)) / 2, draw(st.integers(1, 12)) / 2) for _ in range(count)]
    return {
        "raw": raw,
        "anchors": np.array(anchors) / (16 if dialect["anchors"] == "normalised" else 1),
        "size": (h * draw(st.sampled_from((8, 16))), w * draw(st.sampled_from((8, 16)))),
        "scale_x_y": draw(st.sampled_from((1.25, 1.0, 1.5, 2.0))),
    }


@st.composite
def of_anchors(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Sizes that are odd, too, so that halves are rounded; ratios that are their own inverses and others."""
    del dialect
    return {
        "sizes": np.array(draw(st.lists(st.integers(1, 40), min_size=1, max_size=2, unique=True)), np.float64),
        "ratios": np.array(draw(st.lists(st.sampled_from((1.0, 0.5, 2.0, 4.0, 0.25)), min_size=1, max_size=3))),
        "cells": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "stride": draw(st.sampled_from((8, 4, 16, 5))),
    }


@st.composite
def of_ssd_priors(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Sizes of halves, steps beside the image's side over the cells, images that are not square."""
    del dialect
    small = draw(st.integers(3, 60)) / 2
    size = (draw(st.sampled_from((32, 30, 48))), draw(st.sampled_from((32, 30, 48))))
    cells = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return {
        "small": small,
        "large": small + draw(st.integers(1, 40)) / 2,
        "ratios": np.array(draw(st.lists(st.sampled_from((2.0, 3.0, 1.5)), max_size=2, unique=True)), np.float64),
        "cells": cells,
        "size": size,
        "step": float(draw(st.sampled_from((16, 8, 10, size[0] // cells[0])))),
    }


def in_a_row(draw: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Two boxes that overlap by some tenths, others beside, and how much the two overlap."""
    tenths = draw(st.sampled_from((7, 7, 9, 5, 6, 3, 8, 10)))
    rows = [[(0, 0, 10, 1)], [(0, 0, tenths, 1)]]
    for some in rows:
        some += [
            (x, 0, x + w, 1) for x, w in draw(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10)), max_size=2))
        ]
    one, other = map(rows_of, rows if draw(st.booleans()) else rows[::-1])
    return one, other, tenths / 10


def anchors_and_truths(draw: Any, *, none: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Anywhere, or in a row; and a threshold.

    There may be equal ones among them, a truth that is an anchor, truths that are empty or far, or none.
    """
    if draw(st.booleans()):
        anchors, truths, threshold = in_a_row(draw)
    else:
        anchors, truths = full_boxes(draw, draw(st.integers(1, 4))), full_boxes(draw, draw(st.integers(1, 3)), 0)
        threshold = draw(st.sampled_from(THRESHOLDS))
    kind = draw(st.sampled_from(("copy", "copy", "copy", "", "truth", "far", "anchor", "both", "none")))
    if kind == "copy" and (truths[0, 2:] > truths[0, :2]).all():  # of an empty anchor programs differ: 0/0 may be NaN
        anchors = np.concatenate([anchors, truths[:1]])
    if kind in ("truth", "both"):
        truths = np.concatenate([truths, truths[:1]])
    if kind in ("anchor", "both"):
        anchors = np.concatenate([anchors, anchors[:1]])
    if kind == "far":
        truths = np.concatenate([truths[:1] + 200, truths])
    return anchors, truths[:0] if kind == "none" and none else truths, threshold


@st.composite
def of_match(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Two thresholds, at times the same."""
    anchors, truths, threshold = anchors_and_truths(draw, none=dialect["no_truths"] != "refused")
    low, high = sorted((threshold, draw(st.sampled_from(THRESHOLDS))))
    return {"anchors": anchors, "truths": truths, "high": high, "low": low}


@st.composite
def of_ssd_match(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """One threshold."""
    priors, truths, threshold = anchors_and_truths(draw, none=dialect["no_truths"] != "refused")
    return {"priors": priors, "truths": truths, "threshold": threshold}


#: Sides at the edges between levels, by each rule; a little below an edge, where it is ten levels further down.
SIDES = (224, 448, 159, 317, 0.21875 * (1 - 2**-18), 0.21875 * (1 - 2**-18), 0.21875 * (1 - 2**-13), 224 - 6 * 2**-16)
SHARES = ((1, 1), (1, 1), (2, 0.5), (0.25, 4), (1, 2), (0, 1))


@st.composite
def of_fpn_level(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Areas at an edge, as two sides of several forms, or a pixel beside; the range of levels is at times short."""
    pixel = int(dialect["width"] == "inclusive")
    boxes = []
    for _ in range(draw(st.integers(1, 3))):
        side, near = draw(st.sampled_from(SIDES)), draw(st.sampled_from((0, 0, -1, 1)))
        w, h = (side * share + (near if side % 1 == 0 else 0) for share in draw(st.sampled_from(SHARES)))
        if side % 1 == 0:
            w, h = int(w), int(h)
        x, y = (0, 0) if side % 1 else (draw(st.integers(-50, 50)), draw(st.integers(-50, 50)))
        boxes.append((x, y, x + max(w, 0) - pixel, y + h - pixel))
    lowest, highest = draw(st.sampled_from(((2, 5), (-8, 6), (-8, 6), (0, 6), (3, 3))))
    return {"boxes": rows_of(boxes), "lowest": lowest, "highest": highest}


DRAWS: Mapping[str, Draw] = {
    "ssd_encode": of_ssd_encode,
    "ssd_decode": of_ssd_decode,
    "rcnn_encode": of_rcnn_encode,
    "rcnn_decode": of_rcnn_decode,
    "yolo_decode": of_yolo_decode,
    "anchors": of_anchors,
    "ssd_priors": of_ssd_priors,
    "match": of_match,
    "ssd_match": of_ssd_match,
    "fpn_level": of_fpn_level,
}
