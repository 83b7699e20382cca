"""Faster, Mask and Keypoint R-CNN: a pyramid of maps, proposals of boxes, and heads that look at each of them.

Ren et al. 2015, Lin et al. 2017 (FPN), He et al. 2017.  `RCNN` is the network; its ``forward`` is

    batch = self.transform(images)                    Batch: x (N, 3, H, W), sizes, originals
    features = self.backbone(batch.x)                 (P2, P3, P4, P5, P6), each (N, C, H / 4 ... H / 64, ...)
    proposals = self.rpn(features, batch)             one Proposals an image, boxes (K, 4) in pixels of batch.x
    found = self.roi_heads(features, proposals, batch)     one Instances an image, in pixels of batch.x
    return self.transform.postprocess(found, batch)        one Instances an image, in pixels of the image given

and each part can be called by itself, in training too:

========================================  ===========================================================================
``transform(images)``                     a list of arrays (3, h, w), RGB 0 to 1, to a `Batch`; ``batch.to_input(i,
                                          boxes)`` and ``batch.to_image(i, boxes)`` scale boxes (K, 4) of image i
``backbone(x)``                           Tensor (N, 3, H, W), sides multiples of 32, to a tuple of Tensors P2 to P6
``rpn.head(features)``                    (logits, deltas): lists of Tensors (N, A, h, w) and (N, 4 A, h, w), per level
``rpn.rows(logits, deltas)``              (logits, deltas): lists of Tensors (N, h w A) and (N, h w A, 4), a level each,
                                          in the order of the anchors; raw differences, variances (1, 1)
``rpn.anchors(logits, size)``             a list of arrays (h w A, 4) xyxy, for an input of ``size`` = (H, W)
``rpn.propose(logits, deltas, anchors,    one `Proposals` an image, of arrays as ``rows`` gives them; ``training``
sizes)``                                  decides how many
``roi_heads.box(features, boxes)``        features P2 ..., and a list of arrays (K_i, 4), one an image, to Tensors:
                                          class logits (K, 1 + classes), "nothing" first, deltas (K, 4 (1 + classes)),
                                          variances (0.1, 0.2); K is all images' together, in order
``roi_heads.mask(features, boxes)``       Tensor (K, 1 + classes, 28, 28) of logits; channel 0 is "nothing"
``roi_heads.keypoint(features, boxes)``   Tensor (K, keypoints, 56, 56) of logits
``roi_heads.pool(features, boxes, size)`` Tensor (K, C, size, size): RoIAlign of each box on its level
========================================  ===========================================================================

Labels count things from 0 everywhere outside the heads, whose class 0 is "nothing": label + 1 is the head's class.
Encoding of boxes for the losses: `minidet.boxes.rcnn.box_targets` with ``ANCHOR_VARIANCES`` or ``BOX_VARIANCES``.
Anything that is selected (proposals, detections) is computed on the host from detached arrays.
"""

from .instances import Instances
from .model import RCNN, Stages
from .transform import Batch, Transform

__all__ = ["RCNN", "Batch", "Instances", "Stages", "Transform"]
