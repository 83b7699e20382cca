"""What is in each proposal: its class and box, then the mask and the keypoints of those that are something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from minidet_kernels.arrays import to_numpy

from ... import nn
from ...autograd import Tensor
from ...boxes.keypoints import keypoints_of
from ...boxes.rcnn import Proposals, select
from ...boxes.yolo import sigmoid
from .heads import BoxPredictor, KeypointHead, KeypointPredictor, MaskHead, MaskPredictor, TwoMLPHead
from .instances import Instances
from .pool import STRIDES, levels_of, pool
from .transform import Batch

#: Sides of the features of a box, and of those for its mask or keypoints.
BOX_SIDE, MASK_SIDE = 7, 14


class RoIHeads(nn.Module):
    """The heads of boxes, and if asked for of masks (``masks``) and of ``keypoints`` points.

    ``channels`` are those of the pyramid; ``hidden`` is of the box head, ``mask_channels`` and ``keypoint_channels`` of
    the others.  ``score``, ``threshold`` and ``most``: see `minidet.boxes.rcnn.select`.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        hidden: int = 1024,
        masks: bool = False,
        mask_channels: int = 256,
        keypoints: int = 0,
        keypoint_channels: int = 512,
        score: float = 0.05,
        threshold: float = 0.5,
        most: int = 100,
        canonical_size: float = 224.0,
        rule: str = "torchvision",
        rng: nn.init.Rng = None,
    ) -> None:
        self.box_head = TwoMLPHead(channels, BOX_SIDE, hidden, rng=rng)
        self.box_predictor = BoxPredictor(hidden, classes, rng=rng)
        self.masks, self.keypoints = masks, keypoints
        if masks:
            self.mask_head = MaskHead(channels, mask_channels, rng=rng)
            self.mask_predictor = MaskPredictor(mask_channels, classes, rng=rng)
        if keypoints:
            self.keypoint_head = KeypointHead(channels, keypoint_channels, rng=rng)
            self.keypoint_predictor = KeypointPredictor(keypoint_channels, keypoints, rng=rng)
        self.score, self.threshold, self.most = score, threshold, most
        self.canonical_size, self.rule = canonical_size, rule

    def forward(
        self,
        features: Sequence[Tensor],
        proposals: Sequence[Proposals],
        batch: Batch,
        *,
        score: float | None = None,
        threshold: float | None = None,
    ) -> list[Instances]:
        """The objects of each image, in pixels of the batch, masks over their boxes.

        ``score`` and ``threshold`` take the place of those that the heads were made with.
        """
        boxes = [one.boxes for one in proposals]
        found = self.boxes(features, boxes, batch.sizes, score=score, threshold=threshold)
        return self.points_of(features, self.masks_of(features, found))

    def levels(self, boxes: np.ndarray) -> np.ndarray:
        """The level (K,) of the pyramid that each of the boxes (K, 4) is looked at on, from 0 for P2."""
        return levels_of(boxes, len(STRIDES), canonical_size=self.canonical_size, rule=self.rule)

    def pool(self, features: Sequence[Tensor], boxes: Sequence[np.ndarray], size: int) -> Tensor:
        """The features (K, C, size, size) of boxes, each on its level."""
        return pool(features, boxes, size, canonical_size=self.canonical_size, rule=self.rule)

    def box(self, features: Sequence[Tensor], boxes: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Class logits (K, 1 + classes) and differences (K, 4 (1 + classes)) of boxes (K_i, 4) of each image."""
        return self.box_predictor(self.box_head(self.pool(features, boxes, BOX_SIDE)))

    def mask(self, features: Sequence[Tensor], boxes: Sequence[np.ndarray]) -> Tensor:
        """Logits (K, 1 + classes, 28, 28) of the masks over the boxes."""
        return self.mask_predictor(self.mask_head(self.pool(features, boxes, MASK_SIDE)))

    def keypoint(self, features: Sequence[Tensor], boxes: Sequence[np.ndarray]) -> Tensor:
        """Logits (K, keypoints, 56, 56) of where in the boxes each point is."""
        return self.keypoint_predictor(self.keypoint_head(self.pool(features, boxes, MASK_SIDE)))

    def boxes(
        self,
        features: Sequence[Tensor],
        boxes: Sequence[np.ndarray],
        sizes: Sequence[tuple[int, int]],
        *,
        score: float | None = None,
        threshold: float | None = None,
    ) -> list[Instances]:
        """The objects among the proposed ``boxes`` of each image of ``sizes``."""
        score = self.score if score is None else score
        threshold = self.threshold if threshold is None else threshold
        logits, deltas = (to_numpy(x.data) for x in self.box(features, boxes))
        made = []
        for some, d, proposed, size in zip(*split(boxes, logits, deltas), boxes, sizes, strict=True):
            one = select(some, d, proposed, size, score=score, threshold=threshold, most=self.most)
            made.append(Instances(one.boxes, one.scores, one.labels, one.proposal))
        return made

    def masks_of(self, features: Sequence[Tensor], found: Sequence[Instances]) -> list[Instances]:
        """The objects with the masks (K, 28, 28), probabilities, of their classes."""
        if not self.masks:
            return list(found)
        boxes = [one.boxes for one in found]
        (logits,) = split(boxes, to_numpy(self.mask(features, boxes).data))
        chosen = [x[np.arange(len(one)), one.labels + 1] for x, one in zip(logits, found, strict=True)]
        return [replace(one, masks=sigmoid(x)) for one, x in zip(found, chosen, strict=True)]

    def points_of(self, features: Sequence[Tensor], found: Sequence[Instances]) -> list[Instances]:
        """The objects with their keypoints (K, P, 3) in pixels of the batch."""
        if not self.keypoints:
            return list(found)
        boxes = [one.boxes for one in found]
        (logits,) = split(boxes, to_numpy(self.keypoint(features, boxes).data))
        made = []
        for one, maps in zip(found, logits, strict=True):
            points, scores = keypoints_of(maps, one.boxes)
            made.append(replace(one, keypoints=points, keypoint_scores=scores))
        return made


def split(boxes: Sequence[np.ndarray], *arrays: np.ndarray) -> list[list[np.ndarray]]:
    """Each array (K, ...) of all images' boxes as a list of those of each image."""
    ends = np.cumsum([len(one) for one in boxes])[:-1]
    return [np.split(array, ends) for array in arrays]
