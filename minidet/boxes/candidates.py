"""What a detector says of one image before anything is selected: boxes, and a score for each class of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minidet_kernels.arrays import Array, namespace


@dataclass(frozen=True)
class Candidates:
    """``boxes`` (M, 4) float32, xyxy in pixels of the network's input; ``scores`` (M, classes) float32.

    Nothing is clipped, sorted or left out.
    """

    boxes: Array
    scores: Array


def join(heads: Sequence[tuple[Array, Array]]) -> list[Candidates]:
    """One `Candidates` per image from each head's boxes (N, m, 4) and scores (N, m, classes), head after head."""
    xp = namespace(*heads[0])
    boxes = xp.concatenate([b for b, _ in heads], axis=1)
    scores = xp.concatenate([s for _, s in heads], axis=1)
    return [Candidates(b, s) for b, s in zip(boxes, scores, strict=True)]
