"""Arguments for the room of masks: specks, blobs, full and empty masks, images without pixels, runs of no pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.cases_boxes import EMPTY
from support.cases_registry import EXACT, case

SIDES = st.integers(0, 12) | st.sampled_from([1, 40])


def masks(draw: Any, n: int, size: tuple[int, int]) -> np.ndarray:
    """``n`` dense masks (n, h, w) of bool: noise of any density, rectangles, nothing, everything, duplicates."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    out = rng.random((n, *size)) < draw(st.sampled_from([0, 0.05, 0.5, 0.9, 1]))
    for mask in out:
        if rng.random() < 0.5:
            (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in size)
            mask[...] = False
            mask[top:bottom, left:right] = rng.random((bottom - top, right - left)) < rng.choice([0.7, 1])
    return out[rng.integers(0, n, n)] if n and draw(st.booleans()) else out


def by_hand(dense: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Runs and splits, pixel by pixel; with ``rng``, runs of no pixels are put between."""
    counts, splits = [], [0]
    for mask in dense:
        value = 0
        counts.append(0)
        for pixel in mask.T.ravel():
            if pixel != value:
                value = int(pixel)
                counts.append(0)
            counts[-1] += 1
            if rng is not None and rng.random() < 0.1:
                counts += [0, 0]
        splits.append(len(counts))
    return np.array(counts, np.int64), np.array(splits, np.int64)


@case("mask_iou", compare=EXACT)
def _mask_iou(draw: Any) -> Any:
    size = draw(SIDES), draw(SIDES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    odd = rng if draw(st.booleans()) else None
    (a, a_splits), (b, b_splits) = (by_hand(masks(draw, draw(st.integers(0, 6)), size), odd) for _ in "ab")
    dtype = draw(st.sampled_from([np.int64, np.int64, np.int32, np.uint32]))
    arguments: tuple[Any, ...] = a.astype(dtype), a_splits.astype(dtype), np.repeat(b, 2)[::2], b_splits
    if draw(st.booleans()):
        arguments = (*arguments, rng.random(len(b_splits) - 1) < 0.5)
    return arguments, {"size": size, "empty": draw(EMPTY)}
