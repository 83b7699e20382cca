"""The YOLOv3 loss as one scalar, whose gradient is the negative of Darknet's delta; and its variants, each by name.

Darknet never writes its loss down: it writes ``delta``, the direction in which each output of the network should move
(Redmon and Farhadi 2018; ``t - sigmoid(x)`` for x, y, objectness and classes, ``t - x`` for w and h, boxes times ``2
- w h``). This is the function of which that is the negative gradient::

    L =  sum over answering predictions of  (2 - w h) [ B(t_x, x) + B(t_y, y) + (t_w - w)^2 / 2 + (t_h - h)^2 / 2 ]
       + sum over predictions not ignored of  B(t_obj, obj)
       + sum over answering predictions and classes of  B(t_class, class)

with ``B(t, x) = log(1 + exp(x)) - t x``, binary cross entropy on logits (``t_x`` is a fraction, so ``B`` does not
reach 0). The cost that Darknet prints is the sum of squared deltas: another number, which nobody minimises.

The variants replace one line each: the box by the overlap of the decoded boxes (Rezatofighi et al. 2019; Zheng et al.
2020), objectness by the focal loss (Lin et al. 2017, section 3), class targets by smoothed ones (Szegedy et al. 2016,
section 7), and one answering anchor by all that fit (AlexeyAB's Darknet, ``iou_thresh=``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal

from minidet_kernels.arrays import Array, namespace

from .. import functions as F
from ..autograd import Tensor
from .yolo_assign import Assignment, Collision, HeadTargets, Truths, YoloGrid
from .yolo_assign_fast import assign

Normalise = Literal["batch", "sum"]
Box = Literal["squares", "iou", "giou", "diou", "ciou"]
BOXES = ("squares", "iou", "giou", "diou", "ciou")
OBJECTNESS = ("bce", "focal")

#: The logarithms of width and height that a box is decoded from in the overlap losses are kept within this of 0, so
#: that areas stay finite in float32; beyond it (22,026 anchors) a box has no gradient.
WIDEST = 10.0


class YoloLoss:
    """``loss(heads, truths)``: one scalar for raw head maps, Tensors (N, A (5 + classes), h, w), and N images' truths.

    ``normalise="sum"`` adds up over the batch, which has exactly Darknet's delta as its negative gradient; Darknet then
    divides the learning rate by the batch size.  ``"batch"`` (default) divides the loss by N, so that an optimiser's
    learning rate means what it means in a cfg.  ``ignore``, ``collision`` and ``iou_thresh`` are those of ``assign``;
    ``box_scale=False`` drops the ``2 - w h``.

    - ``box``: "squares" as above, or "iou", "giou", "diou", "ciou": one minus that overlap of the decoded box and the
      truth, in pixels of the network's input, of each answering prediction.
    - ``objectness``: "bce", or "focal" with ``focal_gamma`` and ``focal_alpha`` (None: both kinds weigh the same).
    - ``label_smoothing`` e: the class targets are 1 - e + e / classes and e / classes.
    - ``box_gain``, ``objectness_gain``, ``class_gain`` multiply the three parts.

    Raises ``ValueError`` for options that are not of these.
    """

    def __init__(
        self,
        grid: YoloGrid,
        *,
        ignore: float = 0.7,
        collision: Collision = "accumulate",
        iou_thresh: float = 1.0,
        box: Box = "squares",
        box_scale: bool = True,
        objectness: Literal["bce", "focal"] = "bce",
        focal_gamma: float = 2.0,
        focal_alpha: float | None = None,
        label_smoothing: float = 0.0,
        box_gain: float = 1.0,
        objectness_gain: float = 1.0,
        class_gain: float = 1.0,
        normalise: Normalise = "batch",
    ) -> None:
        if normalise not in ("batch", "sum"):
            raise ValueError(f"normalise must be 'batch' or 'sum', found {normalise!r}")
        if box not in BOXES:
            raise ValueError(f"box must be one of {', '.join(map(repr, BOXES))}, found {box!r}")
        if objectness not in OBJECTNESS:
            raise ValueError(f"objectness must be 'bce' or 'focal', found {objectness!r}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie in [0, 1], found {label_smoothing}")
        gains = {"box": box_gain, "objectness": objectness_gain, "classes": class_gain}
        if not all(gain >= 0 for gain in gains.values()):
            raise ValueError(f"gains must not be negative, found {gains}")
        self.grid, self.ignore, self.collision, self.iou_thresh = grid, ignore, collision, iou_thresh
        self.box, self.box_scale, self.normalise, self.gains = box, box_scale, normalise, gains
        self.objectness, self.focal_gamma, self.focal_alpha = objectness, focal_gamma, focal_alpha
        self.label_smoothing = label_smoothing

    def assign(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Assignment:
        """The table behind the loss: who answers for which truth."""
        return assign(
            [h.data for h in heads], truths, self.grid,
            ignore=self.ignore, collision=self.collision, iou_thresh=self.iou_thresh,
        )  # fmt: skip

    def terms(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Mapping[str, Tensor]:
        """The parts ``box``, ``objectness`` and ``classes``, scalars whose sum is the loss."""
        parts: dict[str, list[Tensor]] = {"box": [], "objectness": [], "classes": []}
        for k, (head, targets) in enumerate(zip(heads, self.assign(heads, truths).heads, strict=True)):
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
            if self.box == "squares":
                squares = F.power(F.sub(*wh), 2)
                parts["box"].append(F.bce_with_logits(*xy, weight=box_weight, reduction="sum"))
                parts["box"].append(F.sum(F.mul(squares, box_weight * 0.5)))
            else:
                parts["box"].append(self._overlap(k, raw, targets, box_weight))
            if self.objectness == "bce":
                parts["objectness"].append(F.bce_with_logits(*objectness, weight=seen, reduction="sum"))
            else:
                focal = F.focal(*objectness, alpha=self.focal_alpha, gamma=self.focal_gamma, reduction="none")
                parts["objectness"].append(F.sum(F.mul(focal, seen)))
            wanted = classes[1]
            if self.label_smoothing:
                wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / self.grid.classes
            parts["classes"].append(F.bce_with_logits(classes[0], wanted, weight=answers, reduction="sum"))
        share = 1 / max(len(truths), 1) if self.normalise == "batch" else 1.0
        return {name: F.mul(reduce(F.add, terms), share * self.gains[name]) for name, terms in parts.items()}

    def _overlap(self, k: int, raw: Tensor, targets: HeadTargets, box_weight: Array) -> Tensor:
        """The box part of head ``k`` by the overlap: of the answering predictions alone, decoded as for detection."""
        xp, dtype = namespace(raw.data), raw.dtype
        n, a, row, column = targets.class_weight[:, :, 0].nonzero()  # K answers
        h, w = targets.ignored.shape[2:]
        cell = xp.asarray([self.grid.size[1] / w, self.grid.size[0] / h], dtype=dtype)  # in pixels
        corner = xp.asarray([column, row], dtype=dtype).T * cell  # (K, 2)
        anchors = xp.asarray([self.grid.anchors[m] for m in self.grid.masks[k]], dtype=dtype)[xp.asarray(a)]  # (K, 2)
        at = tuple(xp.asarray(i) for i in (n, a, row, column))
        mine = F.getitem(raw, index=(at[0], at[1], slice(0, 4), at[2], at[3]))  # (K, 4)
        true = xp.asarray(targets.target[n, a, :4, row, column], dtype=dtype)
        centre = F.add(F.mul(F.sigmoid(F.getitem(mine, index=(slice(None), slice(0, 2)))), cell), corner)
        log_extent = F.clip(F.getitem(mine, index=(slice(None), slice(2, 4))), low=-WIDEST, high=WIDEST)
        half = F.mul(F.exp(log_extent), anchors * 0.5)
        true_centre, true_half = true[:, :2] * cell + corner, xp.exp(true[:, 2:]) * (anchors * 0.5)
        loss = F.iou_loss(
            F.concatenate(F.sub(centre, half), F.add(centre, half), axis=1),
            Tensor(xp.concatenate([true_centre - true_half, true_centre + true_half], axis=1)),
            kind=self.box,
            reduction="none",
        )  # (K,)
        return F.sum(F.mul(loss, box_weight[at[0], at[1], 0, at[2], at[3]]))

    def __call__(self, heads: Sequence[Tensor], truths: Sequence[Truths]) -> Tensor:
        return reduce(F.add, self.terms(heads, truths).values())
