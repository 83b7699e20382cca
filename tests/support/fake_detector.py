"""A detector that says what it is told to: the interface of a model, and nothing learned."""

from __future__ import annotations

import numpy as np

from minidet import nn
from minidet.autograd import Tensor
from minidet.boxes.candidates import Candidates


class FakeDetector(nn.Module):
    """Finds `boxes` (M, 4), in network pixels, with `scores` (M, classes), whatever it sees, which it remembers."""

    def __init__(self, boxes: object, scores: object, size: tuple[int, int] = (32, 48)) -> None:
        self.boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        self.scores = np.asarray(scores, np.float32)
        self.size = size
        self.classes = self.scores.shape[1]
        self.seen: list[np.ndarray] = []
        self.was_training: list[bool] = []

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Two maps that carry nothing."""
        self.seen.append(x.numpy().copy())
        self.was_training.append(self.training)
        return x, x

    def candidates(self, heads: object, size: tuple[int, int]) -> list[Candidates]:
        """What it was told."""
        assert size == self.seen[-1].shape[2:]
        assert len(heads) == 2  # type: ignore[arg-type]
        return [Candidates(self.boxes.copy(), self.scores.copy())]
