"""The whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...autograd import Tensor
from ...boxes.anchors import RATIOS, AnchorLevel
from ...boxes.rcnn import Proposals
from ...errors import InputError
from ..blocks import channels, some_classes
from ..fpn import FPN
from ..resnet import ResNet
from .instances import Instances
from .roi_heads import BOX_SIDE, MASK_SIDE, RoIHeads
from .rpn import RPN
from .transform import Batch, Transform

#: Sizes of the anchors of P2 to P6, in pixels.
SIZES = (32.0, 64.0, 128.0, 256.0, 512.0)
#: The longer side of an image is at most this many times the shorter one's target.
LONGEST = 1333 / 800


class Backbone(nn.Module):
    """A ResNet (``body``) and the pyramid of its maps (``fpn``): (N, 3, H, W) to P2, P3, P4, P5, P6."""

    def __init__(self, depth: int, c_out: int, *, width: float, norm: str, eps: float, rng: nn.init.Rng = None) -> None:
        self.body = ResNet(depth, width=width, norm=norm, eps=eps, rng=rng)
        self.fpn = FPN(self.body.out_channels, c_out, rng=rng)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps, finest first."""
        return self.fpn(self.body(x))


@dataclass(frozen=True)
class Stages:
    """Everything that one forward made, in the order in which it did; one entry an image where there are several.

    ``features`` P2 to P6; ``logits`` and ``deltas`` of the RPN's head for each level, (N, A, h, w) and (N, 4 A, h, w);
    ``anchors`` of each level (M, 4); ``proposals``; ``found`` in pixels of the batch with masks (K, 28, 28);
    ``results`` in pixels of the images with masks pasted.
    """

    batch: Batch
    features: tuple[Tensor, ...]
    logits: list[Tensor]
    deltas: list[Tensor]
    anchors: list[np.ndarray]
    proposals: list[Proposals]
    found: list[Instances]
    results: list[Instances]


class RCNN(nn.Module):
    """Faster R-CNN on a ResNet with a feature pyramid; with ``masks`` Mask R-CNN, with ``keypoints`` Keypoint R-CNN.

    ``forward`` takes a list of images (3, h, w), RGB 0 to 1, of any sizes, and returns one `Instances` each.

    * ``classes`` counts things, without "nothing".
    * ``depth`` and ``norm``: see `minidet.models.resnet`; ``eps`` of batch norm (0 for the files of torchvision's
      COCO_V1 models, see `minidet.weights.torchvision_rcnn`).
    * ``width`` multiplies all numbers of channels and hidden units: of the ResNet, the pyramid (256), the box head
      (1024), the mask head (256), the keypoint head (512).
    * ``size``: the shorter side of the input, the longer one being at most 1333/800 times that; or both, (shorter,
      longer) in any order.  ``anchors`` are the sizes of P2 to P6's; ``canonical_size`` is that of a box on P4.
    * ``before``, ``after``: proposals of a level into suppression and of all out of it, (in training, else).
    * ``score``, ``threshold``, ``most``: which of the boxes are detections (`minidet.boxes.rcnn.select`).
    """

    stride = 32

    def __init__(
        self,
        classes: int = 90,
        *,
        depth: int = 50,
        masks: bool = False,
        keypoints: int = 0,
        width: float = 1.0,
        norm: str = "frozen",
        eps: float = 1e-5,
        size: int | tuple[int, int] | None = None,
        anchors: Sequence[float] = SIZES,
        ratios: Sequence[float] = RATIOS,
        anchor_rule: str = "torchvision",
        level_rule: str = "torchvision",
        paste_rule: str = "torchvision",
        canonical_size: float = 224.0,
        before: tuple[int, int] = (2000, 1000),
        after: tuple[int, int] = (2000, 1000),
        score: float = 0.05,
        threshold: float = 0.5,
        most: int = 100,
        rng: nn.init.Rng = None,
    ) -> None:
        rng = nn.init.generator(rng)
        self.classes = some_classes(classes)
        size = 800 if size is None else size
        self.size = (size, size) if isinstance(size, int) else size
        self.transform = Transform(*_sides(size), stride=self.stride)
        self.paste_rule = paste_rule
        pyramid, hidden, mask_channels, keypoint_channels = channels(width, 256, 1024, 256, 512)
        self.backbone = Backbone(depth, pyramid, width=width, norm=norm, eps=eps, rng=rng)
        if len(anchors) != self.backbone.fpn.levels:
            raise InputError(f"{len(anchors)} sizes of anchors; expected one for each of P2 to P6")
        levels = [AnchorLevel((s,), tuple(ratios), anchor_rule) for s in anchors]
        self.rpn = RPN(pyramid, levels, before=before, after=after, rng=rng)
        self.roi_heads = RoIHeads(
            pyramid, classes, hidden=hidden, masks=masks, mask_channels=mask_channels, keypoints=keypoints,
            keypoint_channels=keypoint_channels, score=score, threshold=threshold, most=most,
            canonical_size=canonical_size, rule=level_rule, rng=rng,
        )  # fmt: skip

    def forward(self, images: Sequence[Any]) -> list[Instances]:
        """The objects in each image: transform, backbone, proposals, heads, back to the images."""
        batch = self.transform(images)
        features = self.backbone(batch.x)
        proposals = self.rpn(features, batch)
        found = self.roi_heads(features, proposals, batch)
        return self.transform.postprocess(found, batch, rule=self.paste_rule)

    @property
    def nms(self) -> float:
        """The IoU above which the worse of two boxes of a class is left out."""
        return self.roi_heads.threshold

    def found(
        self, images: Sequence[Any], *, score: float | None = None, threshold: float | None = None
    ) -> tuple[Batch, list[Instances]]:
        """The batch, and the objects in its pixels, masks over their boxes; ``score``, ``threshold`` for this once."""
        batch = self.transform(images)
        features = self.backbone(batch.x)
        proposals = self.rpn(features, batch)
        return batch, self.roi_heads(features, proposals, batch, score=score, threshold=threshold)

    def stages(self, images: Sequence[Any]) -> Stages:
        """``forward``, keeping everything that it makes."""
        batch = self.transform(images)
        features = self.backbone(batch.x)
        logits, deltas = self.rpn.head(features)
        anchors = self.rpn.anchors(features, batch.padded)
        proposals = self.rpn.propose(*self.rpn.rows(logits, deltas), anchors, batch.sizes)
        found = self.roi_heads(features, proposals, batch)
        results = self.transform.postprocess(found, batch, rule=self.paste_rule)
        return Stages(batch, features, logits, deltas, anchors, proposals, found, results)

    @property
    def heads(self) -> tuple[AnchorLevel, ...]:
        """The anchors of each level; ``maps`` gives a map for each."""
        return self.rpn.levels

    def maps(self, x: Tensor) -> list[Tensor]:
        """The RPN's logits of each level, and every head run on no box: what `minidet.facts` traces."""
        features = self.backbone(x)
        logits, _ = self.rpn.head(features)
        c, like = features[0].shape[1], features[0].data

        def none(side: int) -> Tensor:
            return Tensor(like[:0].reshape(-1)[:0].reshape(0, c, side, side))

        heads = self.roi_heads
        heads.box_predictor(heads.box_head(none(BOX_SIDE)))
        if heads.masks:
            heads.mask_predictor(heads.mask_head(none(MASK_SIDE)))
        if heads.keypoints:
            heads.keypoint_predictor(heads.keypoint_head(none(MASK_SIDE)))
        return logits

    def repeats(self) -> Mapping[str, int]:
        """How often each head runs on an image, by the beginning of its name, in what ``facts`` counts.

        Once for every proposal that there may be; masks and keypoints are of detections, which are not known.
        """
        boxes = self.rpn.after[1]
        return {"roi_heads.box": boxes, "roi_heads.mask": 0, "roi_heads.keypoint": 0}


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """The shorter side, and the most that the longer one may be."""
    shortest, longest = (size, int(size * LONGEST)) if isinstance(size, int) else (min(size), max(size))
    if shortest < 1:
        raise InputError(f"an input of {size}; expected sides of at least 1 pixel")
    return shortest, longest
