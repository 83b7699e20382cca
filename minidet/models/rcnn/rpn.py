"""The region proposal network: where something might be, on every level of the pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from minidet_kernels.arrays import to_numpy

from ... import functions as F
from ... import nn
from ...autograd import Tensor
from ...boxes.anchors import AnchorLevel, pyramid_anchors
from ...boxes.rcnn import Proposals, propose
from .transform import Batch


class RPNHead(nn.Module):
    """The same three convolutions on every level: 3 x 3 with ReLU, then 1 x 1 to A logits and to 4 A differences."""

    def __init__(self, channels: int, anchors: int, *, rng: nn.init.Rng = None) -> None:
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, rng=rng)
        self.cls_logits = nn.Conv2d(channels, anchors, 1, rng=rng)
        self.bbox_pred = nn.Conv2d(channels, 4 * anchors, 1, rng=rng)
        for conv in (self.conv, self.cls_logits, self.bbox_pred):
            conv.weight.data[...] = nn.init.normal(conv.weight.shape, 0.01, rng)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits (N, A, h, w) and differences (N, 4 A, h, w) of each level."""
        hidden = [F.relu(self.conv(one)) for one in features]
        return [self.cls_logits(h) for h in hidden], [self.bbox_pred(h) for h in hidden]


class RPN(nn.Module):
    """The head, the anchors of each level, and what is made of both.

    ``before`` and ``after``: how many proposals of each level go into suppression, and how many of all levels come out,
    each as (in training, else).  ``threshold``, ``score`` and ``rule``: see `minidet.boxes.rcnn.propose`.
    """

    def __init__(
        self,
        channels: int,
        levels: Sequence[AnchorLevel],
        *,
        before: tuple[int, int] = (2000, 1000),
        after: tuple[int, int] = (2000, 1000),
        threshold: float = 0.7,
        score: float = 0.0,
        rule: str = "torchvision",
        rng: nn.init.Rng = None,
    ) -> None:
        (anchors,) = {len(level) for level in levels}
        self.head = RPNHead(channels, anchors, rng=rng)
        self.levels, self.before, self.after = tuple(levels), before, after
        self.threshold, self.score, self.rule = threshold, score, rule

    def forward(self, features: Sequence[Tensor], batch: Batch) -> list[Proposals]:
        """The proposals of each image."""
        rows = self.rows(*self.head(features))
        return self.propose(*rows, self.anchors(features, batch.padded), batch.sizes)

    def rows(self, logits: Sequence[Tensor], deltas: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The head's maps in the order of the anchors: (N, h w A) and (N, h w A, 4) for each level."""

        def flat(maps: Sequence[Tensor], numbers: int) -> list[Tensor]:
            made = []
            for x in maps:
                n, c, h, w = x.shape
                cells = x.reshape(n, c // numbers, numbers, h, w).transpose(0, 3, 4, 1, 2)  # (N, h, w, A, numbers)
                made.append(cells.reshape(n, math.prod((h, w, c)) // numbers, numbers))
            return made

        return [x.reshape(x.shape[:2]) for x in flat(logits, 1)], flat(deltas, 4)

    def anchors(self, maps: Sequence[Tensor], size: tuple[int, int]) -> list[np.ndarray]:
        """The anchors (h w A, 4) of each level of ``maps`` for an input of ``size``, in the dtype of the maps."""
        made = pyramid_anchors(self.levels, [x.shape[2:] for x in maps], size)  # type: ignore[misc]
        return [a.astype(maps[0].dtype) for a in made]

    def propose(
        self, logits: Sequence[Any], deltas: Sequence[Any], anchors: Sequence[np.ndarray], sizes: Sequence[Any]
    ) -> list[Proposals]:
        """The proposals of each image of ``sizes``, from ``rows`` (tensors or arrays) and the levels' anchors."""
        x, d = ([to_numpy(one.data if isinstance(one, Tensor) else one) for one in some] for some in (logits, deltas))
        which = int(not self.training)
        return [
            propose(
                [one[i] for one in x], [one[i] for one in d], anchors, size, before=self.before[which],
                after=self.after[which], threshold=self.threshold, score=self.score, rule=self.rule,
            )
            for i, size in enumerate(sizes)
        ]  # fmt: skip
