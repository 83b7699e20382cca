"""Truths and detections in columns, drawn so that ties, touching edges, crowds, and areas at the ends are common."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from minidet.metrics.columns import FoundColumns, TruthColumns, as_columns

#: xywh: small integers, halves, boxes whose area is at an end of COCO's ranges, and one without area.
small = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 5)] * 2).map(lambda b: [float(v) for v in b])
odd = st.sampled_from([[0, 0, 32, 32], [0, 0, 96, 96], [1, 1, 64, 16], [0, 0, 10, 1], [0, 0, 6, 1], [2, 2, 0, 3]])
halves = small.map(lambda b: [v * 0.5 for v in b])
box = st.one_of(small, small, halves, odd.map(lambda b: [float(v) for v in b]))


def truth_columns(rows: list[dict[str, Any]], *, images: int, classes: int) -> TruthColumns:
    """Columns of truths given as dicts: ``image``, ``label``, ``box``, and what differs from a plain truth."""
    plain = {"area": float("nan"), "crowd": False, "difficult": False}
    rows = [{**plain, "id": i + 1, **row} for i, row in enumerate(rows)]
    named = {name: [row[name] for row in rows] for name in ("image", "label", "area", "crowd", "difficult")}
    boxes = np.array([row["box"] for row in rows], float).reshape(-1, 4)
    return TruthColumns(images, classes, **as_columns(**named, boxes=boxes, ids=[row["id"] for row in rows]))


def found_columns(rows: list[tuple[int, int, list[float], float]]) -> FoundColumns:
    """Columns of detections given as (image, label, box, score)."""
    boxes = np.array([row[2] for row in rows], float).reshape(-1, 4)
    image, label, scores = ([row[i] for row in rows] for i in (0, 1, 3))
    return FoundColumns(**as_columns(image=image, label=label, boxes=boxes, scores=scores))


@st.composite
def columns(draw: Any, *, images: int = 3, classes: int = 3, flags: bool = True) -> tuple[TruthColumns, FoundColumns]:
    """Truths with crowds, difficult ones, annotated areas and zero ids (with ``flags``), and detections near them."""
    truths: list[dict[str, Any]] = []
    found: list[tuple[int, int, list[float], float]] = []
    label = st.integers(0, classes - 1)
    seldom = st.sampled_from([False, False, False, True])
    for image in range(images):
        here = draw(st.lists(box, max_size=4))
        for one in here:
            row: dict[str, Any] = {"image": image, "label": draw(label), "box": one}
            if flags:
                row |= {"crowd": draw(seldom), "difficult": draw(seldom)}
                row["area"] = draw(st.sampled_from([one[2] * one[3], one[2] * one[3], 1024.0, 9216.0, 500.0, 1e4]))
            truths.append(row)
        for one in draw(st.lists(st.one_of(box, *[st.just(t) for t in here]), max_size=6)):
            found.append((image, draw(label), one, draw(st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0]))))
    ids = draw(st.permutations(range(len(truths)))) if flags else range(1, len(truths) + 1)
    rows = [{**row, "id": number} for row, number in zip(truths, ids, strict=True)]
    return truth_columns(rows, images=images, classes=classes), found_columns(found)
