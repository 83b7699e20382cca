"""Masks and keypoints for drawn truths and detections: many of them the same, some without a pixel or a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from minidet_kernels.masks import Runs, encode

from minidet.metrics.columns import FoundColumns, TruthColumns
from minidet.metrics.oks import SIGMAS

SIZE = 12, 12
Draw = Callable[[st.SearchStrategy[Any]], Any]


def with_masks(draw: Draw, truths: TruthColumns, found: FoundColumns) -> tuple[TruthColumns, FoundColumns]:
    """Masks of 12 x 12: each the pixels of the box, some of them taken away at random."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def of(columns: TruthColumns | FoundColumns) -> list[Runs]:
        out = []
        for image in range(truths.images):
            dense = []
            for x, y, w, h in columns.boxes[columns.image == image]:
                mask = np.zeros(SIZE, bool)
                mask[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))] = True
                kind = rng.integers(4)
                if kind == 0:
                    mask &= rng.random(SIZE) < 0.7
                elif kind == 1:
                    mask[:, ::3] = False
                dense.append(mask)
            out.append(encode(np.array(dense, bool).reshape(-1, *SIZE)))
        return out

    return replace(truths, masks=of(truths)), replace(found, masks=of(found))


def with_keypoints(draw: Draw, truths: TruthColumns, found: FoundColumns) -> tuple[TruthColumns, FoundColumns]:
    """17 keypoints in and around each box, some of the truths' without a visible one; detections near them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = len(SIGMAS)

    def around(boxes: np.ndarray) -> np.ndarray:
        places = rng.integers(0, 5, (len(boxes), k, 2)) / 4
        return boxes[:, None, :2] + places * boxes[:, None, 2:]

    seen = rng.choice([0, 1, 2], (len(truths.image), k)) * rng.choice([0, 1, 1, 1], (len(truths.image), 1))
    points = np.concatenate([around(truths.boxes), seen[:, :, None]], axis=2)
    theirs = np.concatenate([around(found.boxes), np.ones((len(found.image), k, 1))], axis=2)
    for i in range(len(theirs)):
        here = np.flatnonzero(truths.image == found.image[i])
        if len(here) and rng.random() < 0.8:  # as one of the truths, a few points elsewhere
            theirs[i, :, :2] = points[rng.choice(here), :, :2] + rng.integers(0, 2, (k, 2)) * rng.integers(0, 2)
    return replace(truths, keypoints=points), replace(found, keypoints=theirs)
