"""The YOLOv3 loss as one scalar, whose gradient is the negative of Darknet's delta.

Darknet never writes its loss down: it writes ``delta``, the direction in which each output of the network should move
(Redmon and Farhadi 2018; ``t - sigmoid(x)`` for x, y, objectness and classes, ``t - x`` for w and h, boxes times ``2
- w h``). This is the function of which that is the negative gradient::

    L =  sum over answering predictions of  (2 - w h) [ B(t_x, x) + B(t_y, y) + (t_w - w)^2 / 2 + (t_h - h)^2 / 2 ]
       + sum over predictions not ignored of  B(t_obj, obj)
       + sum over answering predictions and classes of  B(t_class, class)

with ``B(t, x) = log(1 + exp(x)) - t x``, binary cross entropy on logits (``t_x`` is a fraction, so ``B`` does not
reach 0). The cost that Darknet prints is the sum of squared deltas: another number, which nobody minimises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal

from minidet_kernels.arrays import namespace

from .. import functions as F
from ..autograd import Tensor
from .yolo_assign import Assignment, Collision, Truths, YoloGrid, assign

Normalise = Literal["batch", "sum"]


class YoloLoss:
    """``loss(heads, truths)``: one scalar for raw head maps, Tensors (N, A (5 + classes), h, w), and N images' truths.

    ``normalise="sum"`` adds up over the batch, which has exactly Darknet's delta as its negative gradient; Darknet then
    divides the learning rate by the batch size.  ``"batch"`` (default) divides the loss by N, so that an optimiser's
    learning rate means what it means in a cfg.  ``ignore`` and ``collision`` are those of ``assign``;
    ``box_scale=False`` drops the ``2 - w h``.
    """

    def __init__(
        self,
        grid: YoloGrid,
        *,
        ignore: float = 0.7,
        collision: Collision = "accumulate",
        box_scale: bool = True,
        normalise: Normalise = "batch",
    ) -> None:
        if normalise not in ("batch", "sum"):
            raise ValueError(f"normalise must be 'batch' or 'sum', found {normalise!r}")
        self.grid, self.ignore, self.collision = grid, ignore, collision
        self.box_scale, self.normalise = box_scale, normalise

    def assign(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Assignment:
        """The table behind the loss: who answers for which truth."""
        return assign([h.data for h in heads], truths, self.grid, ignore=self.ignore, collision=self.collision)

    def terms(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Mapping[str, Tensor]:
        """The parts ``box``, ``objectness`` and ``classes``, scalars whose sum is the loss."""
        parts: dict[str, list[Tensor]] = {"box": [], "objectness": [], "classes": []}
        for head, targets in zip(heads, self.assign(heads, truths).heads, strict=True):
            xp, dtype = namespace(head.data), head.dtype
            target, box_weight, seen, answers = (
                xp.asarray(a, dtype=dtype)
                for a in (targets.target, targets.box_weight, targets.objectness_weight, targets.class_weight)
            )
            if not self.box_scale:
                box_weight = answers
            raw = F.reshape(head, shape=target.shape)  # (N, A, 5 + classes, h, w)
            xy, wh, objectness, classes = (
                (F.getitem(raw, index=(slice(None), slice(None), part)), target[:, :, part])
                for part in (slice(0, 2), slice(2, 4), slice(4, 5), slice(5, None))
            )
            squares = F.power(F.sub(*wh), 2)
            parts["box"].append(F.bce_with_logits(*xy, weight=box_weight, reduction="sum"))
            parts["box"].append(F.sum(F.mul(squares, box_weight * 0.5)))
            parts["objectness"].append(F.bce_with_logits(*objectness, weight=seen, reduction="sum"))
            parts["classes"].append(F.bce_with_logits(*classes, weight=answers, reduction="sum"))
        share = 1 / max(len(truths), 1) if self.normalise == "batch" else 1.0
        return {name: F.mul(reduce(F.add, terms), share) for name, terms in parts.items()}

    def __call__(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Tensor:
        return reduce(F.add, self.terms(heads, truths).values())
