"""The joint loss of Faster, Mask and Keypoint R-CNN: proposals, boxes, masks and keypoints in one backward pass.

Ren et al. 2015, section 3.2 ("approximate joint training": a proposal is a constant), He et al. 2017, section 3.1.  A
network of two stages cannot be trained by its output alone, since what its heads look at is chosen with the truths at
hand.  So the loss runs the network:

    features              transform and backbone
    objectness, rpn_box   anchors matched with the truths (0.7 and 0.3, and each truth's best), 256 sampled an image
    classes, box          proposals and the truths themselves, matched (0.5), 512 sampled an image, a quarter positive
    mask, keypoint        the positives among those, on the truth that they answer for

and ``RcnnStep`` keeps all that was chosen, for tests and pictures.  Numbers and rules are torchvision's, as options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal

import numpy as np

from .. import functions as F
from ..autograd import Tensor
from ..boxes.rcnn import ANCHOR_VARIANCES, BOX_VARIANCES, box_targets
from ..data.augment.moving import Part, move
from ..data.dataset import Objects
from ..errors import InputError
from .rcnn_losses import BETA, head_loss, keypoint_loss, mask_loss, rpn_loss
from .rcnn_match import BoxMatch, Pick, by_chance, match_boxes, sample
from .region_targets import keypoint_targets, mask_targets
from .region_truths import RegionTruths, check_regions

TERMS = ("objectness", "rpn_box", "classes", "box", "mask", "keypoint")


@dataclass
class Sampled:
    """What is learned of some boxes (P, 4) of one image, anchors or proposals.

    ``positives`` and ``negatives`` are indices of them; ``encoded`` (positives, 4) the differences of the positives'
    truths; ``truth`` (positives,) which truths those are.
    """

    boxes: np.ndarray
    match: BoxMatch
    positives: np.ndarray
    negatives: np.ndarray
    encoded: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """The truth of each positive."""
        return self.match.truth[self.positives]

    @property
    def chosen(self) -> np.ndarray:
        """Positives and negatives together, in the order of the boxes."""
        return np.sort(np.concatenate([self.positives, self.negatives]))


@dataclass
class RcnnStep:
    """One step: the ``terms`` of the loss, and what was chosen, an entry an image.

    ``anchors`` are all levels' of an image, one after the other; ``proposals`` the network's, then the truths.
    """

    terms: Mapping[str, Tensor]
    anchors: list[Sampled]
    proposals: list[Sampled]


class RcnnLoss:
    """``loss(images, truths, size)``: one scalar for a batch (N, 3, h, w) and the truths of its N images.

    ``model`` is an `RCNN` in training mode.  ``seed`` begins the generator that samples; ``pick`` chooses instead of
    it.  ``anchor_limits`` and ``box_limits`` are (high, low) of ``match_boxes``, ``anchor_low_quality`` and
    ``untouched`` its rules for anchors; ``anchors`` and ``boxes`` how many are sampled an image, with
    ``anchor_fraction`` and ``box_fraction`` of positives at most.  ``beta`` is of the smooth L1 loss,
    ``mask_rule`` of ``mask_targets``, ``gains`` multiply the terms by name.  ``resize``: the network's transform brings
    images to its size first, as torchvision's does in training too; otherwise they are taken as they are.

    Raises ``ValueError`` for unknown options, and for truths that do not fit.  Truths whose box has no area are left
    out; an image without truths teaches what nothing looks like.
    """

    def __init__(
        self,
        model: Any,
        *,
        seed: int = 0,
        pick: Pick | None = None,
        anchor_limits: tuple[float, float] = (0.7, 0.3),
        anchor_low_quality: Literal["none", "ties", "first"] = "ties",
        untouched: Literal["leave", "all"] = "leave",
        anchors: int = 256,
        anchor_fraction: float = 0.5,
        box_limits: tuple[float, float] = (0.5, 0.5),
        boxes: int = 512,
        box_fraction: float = 0.25,
        beta: float = BETA,
        mask_rule: Literal["torchvision", "detectron2"] = "torchvision",
        gains: Mapping[str, float] | None = None,
        resize: bool = False,
    ) -> None:
        if unknown := set(gains or ()) - set(TERMS):
            raise ValueError(f"gains of {', '.join(sorted(unknown))}; the terms are {', '.join(TERMS)}")
        self.model, self.rng = model, np.random.default_rng([seed, 0x5A3E])
        self.pick = by_chance(self.rng) if pick is None else pick
        self.anchor_rules: dict[str, Any] = {
            "high": anchor_limits[0], "low": anchor_limits[1], "low_quality": anchor_low_quality,
            "untouched": untouched,
        }  # fmt: skip
        self.box_rules: dict[str, Any] = {"high": box_limits[0], "low": box_limits[1]}
        self.anchor_sample: dict[str, Any] = {"count": anchors, "fraction": anchor_fraction}
        self.box_sample: dict[str, Any] = {"count": boxes, "fraction": box_fraction}
        self.beta, self.mask_rule, self.gains, self.resize = beta, mask_rule, dict(gains or {}), resize
        nothing = np.zeros((0, 4))  # complain now of options that are wrong
        for rules, counts, at in (
            (self.anchor_rules, self.anchor_sample, ANCHOR_VARIANCES),
            (self.box_rules, self.box_sample, BOX_VARIANCES),
        ):
            self._sampled(nothing, nothing, rules, counts, at)
        mask_targets(_no_masks(), nothing, np.zeros(0, np.int64), rule=mask_rule)

    def __call__(self, images: Tensor, truths: Sequence[RegionTruths], size: tuple[int, int] | None = None) -> Tensor:
        return reduce(F.add, self.step(images, truths).terms.values())

    def step(self, images: Tensor, truths: Sequence[RegionTruths]) -> RcnnStep:
        """All terms, each times its gain, and what was chosen."""
        batch, known = self.inputs(images, truths)
        features = self.model.backbone(batch.x)
        first, anchors, proposals = self.first(features, batch, known)
        second, sampled = self.second(features, proposals, known)
        terms = {
            name: F.mul(term, self.gains[name]) if name in self.gains else term
            for name, term in {**first, **second}.items()
        }
        return RcnnStep(terms, anchors, sampled)

    def inputs(self, images: Tensor, truths: Sequence[RegionTruths]) -> tuple[Any, list[RegionTruths]]:
        """The network's batch, and the truths in pixels of it, those without area left out."""
        heads, (height, width) = self.model.roi_heads, images.shape[2:]
        if len(images.data) != len(truths):
            raise ValueError(f"{len(images.data)} images and truths of {len(truths)}")
        check_regions(truths, (height, width), self.model.classes, masks=heads.masks, keypoints=heads.keypoints)
        transform = self.model.transform
        if not self.resize:
            transform = replace(transform, shortest=min(height, width), longest=max(height, width))
        batch = transform(list(images.data))
        moved = zip(truths, batch.originals, batch.sizes, strict=True)
        return batch, [_on_input(one.with_area(), old, new) for one, old, new in moved]

    def first(
        self, features: Sequence[Tensor], batch: Any, truths: Sequence[RegionTruths]
    ) -> tuple[dict[str, Tensor], list[Sampled], list[np.ndarray]]:
        """Of the RPN on the pyramid: its terms, the anchors sampled, and the proposals (K, 4) of each image."""
        rpn = self.model.rpn
        logits, deltas = rpn.rows(*rpn.head(features))
        anchors = rpn.anchors(features, batch.padded)
        every = np.concatenate(anchors)
        chosen = [
            self._sampled(every, one, self.anchor_rules, self.anchor_sample, ANCHOR_VARIANCES)
            for one in _boxes_of(truths, features)
        ]
        terms = self._rpn(F.concatenate(*logits, axis=1), F.concatenate(*deltas, axis=1), chosen)
        return terms, chosen, [one.boxes for one in rpn.propose(logits, deltas, anchors, batch.sizes)]

    def second(
        self, features: Sequence[Tensor], proposals: Sequence[np.ndarray], truths: Sequence[RegionTruths]
    ) -> tuple[dict[str, Tensor], list[Sampled]]:
        """Of the heads on proposals, to which the truths are added: their terms, and the proposals sampled."""
        heads = self.model.roi_heads
        chosen = [
            self._sampled(np.concatenate([one, own]), own, self.box_rules, self.box_sample, BOX_VARIANCES)
            for one, own in zip(proposals, _boxes_of(truths, features), strict=True)
        ]
        terms = self._boxes(features, chosen, truths)
        some = [one.boxes[one.positives] for one in chosen]
        if heads.masks:
            terms["mask"] = self._masks(features, some, chosen, truths)
        if heads.keypoints:
            terms["keypoint"] = self._keypoints(features, some, chosen, truths)
        return terms, chosen

    def _sampled(
        self, boxes: np.ndarray, truths: np.ndarray, rules: dict[str, Any], counts: dict[str, Any],
        variances: tuple[float, float],
    ) -> Sampled:  # fmt: skip
        match = match_boxes(boxes, truths, **rules)
        positives, negatives = sample(match.positive, match.negative, pick=self.pick, **counts)
        encoded = box_targets(truths[match.truth[positives]], boxes[positives], variances)
        return Sampled(boxes, match, positives, negatives, encoded)

    def _rpn(self, logits: Tensor, deltas: Tensor, chosen: Sequence[Sampled]) -> dict[str, Tensor]:
        """``objectness`` and ``rpn_box`` of (N, A) and (N, A, 4)."""
        n, a = logits.shape
        positives, negatives = (
            np.concatenate([getattr(one, name) + i * a for i, one in enumerate(chosen)])
            for name in ("positives", "negatives")
        )
        encoded = np.concatenate([one.encoded for one in chosen])
        return rpn_loss(
            F.reshape(logits, shape=(n * a,)), F.reshape(deltas, shape=(n * a, 4)), positives=positives,
            negatives=negatives, encoded=encoded, beta=self.beta,
        )  # fmt: skip

    def _boxes(
        self, features: Sequence[Tensor], chosen: Sequence[Sampled], truths: Sequence[RegionTruths]
    ) -> dict[str, Tensor]:
        labels = []
        for one, truth in zip(chosen, truths, strict=True):
            mine = np.zeros(len(one.boxes), np.int64)
            mine[one.positives] = truth.labels[one.truth] + 1
            labels.append(mine[one.chosen])
        logits, deltas = self.model.roi_heads.box(features, [one.boxes[one.chosen] for one in chosen])
        encoded = np.concatenate([one.encoded for one in chosen])
        return head_loss(logits, deltas, labels=np.concatenate(labels), encoded=encoded, beta=self.beta)

    def _masks(
        self, features: Sequence[Tensor], boxes: Sequence[np.ndarray], chosen: Sequence[Sampled],
        truths: Sequence[RegionTruths],
    ) -> Tensor:  # fmt: skip
        logits = self.model.roi_heads.mask(features, boxes)
        labels = np.concatenate([t.labels[one.truth] + 1 for one, t in zip(chosen, truths, strict=True)])
        targets = [
            mask_targets(t.masks if len(t) and t.masks is not None else _no_masks(), b, one.truth,
                         size=logits.shape[-1], rule=self.mask_rule)
            for one, b, t in zip(chosen, boxes, truths, strict=True)
        ]  # fmt: skip
        return mask_loss(logits, labels=labels.astype(np.int64), targets=np.concatenate(targets))

    def _keypoints(
        self, features: Sequence[Tensor], boxes: Sequence[np.ndarray], chosen: Sequence[Sampled],
        truths: Sequence[RegionTruths],
    ) -> Tensor:  # fmt: skip
        logits = self.model.roi_heads.keypoint(features, boxes)
        none = np.zeros((0, logits.shape[1], 3))
        pairs = [
            keypoint_targets((t.keypoints if t.keypoints is not None else none)[one.truth].astype(b.dtype), b,
                             size=logits.shape[-1])
            for one, b, t in zip(chosen, boxes, truths, strict=True)
        ]  # fmt: skip
        places, counted = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return keypoint_loss(logits, places=places, counted=counted)


def _boxes_of(truths: Sequence[RegionTruths], features: Sequence[Tensor]) -> list[np.ndarray]:
    """The boxes in the dtype in which the network computes, where they are matched."""
    return [one.boxes.astype(features[0].dtype) for one in truths]


def _no_masks() -> Any:
    from minidet_kernels.masks import encode

    return encode(np.zeros((0, 1, 1), bool))


def _on_input(truths: RegionTruths, old: tuple[int, int], new: tuple[int, int]) -> RegionTruths:
    """The truths of an image of ``old`` (height, width) that the network's transform resized to ``new``."""
    if tuple(old) == tuple(new):
        return truths
    part = Part((0, 0, old[1], old[0]), (0, 0, new[1], new[0]), (new[0], new[1]))
    moved = move(Objects(truths.boxes, truths.labels, masks=truths.masks, keypoints=truths.keypoints), part)
    return RegionTruths.from_objects(moved)


def rcnn_loss(model: Any, **options: Any) -> RcnnLoss:
    """The loss of ``model``; `InputError` for options that it does not know."""
    try:
        return RcnnLoss(model, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"loss.options: {error}") from None
