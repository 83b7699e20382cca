"""torchvision's ``fasterrcnn_resnet50_fpn``, ``maskrcnn_resnet50_fpn`` and ``keypointrcnn_resnet50_fpn``.

Our names are theirs as their published files (COCO_V1) have them.  Since torchvision 0.14 three kinds of convolution
stand one block deeper; the table knows both.  The models of those files were trained with another program, and have
batch norm without epsilon, which no number of them says: torchvision sets it to 0 where it loads them, and so it is
told here for every state that has the old names.  Whoever trained such a state with torchvision before 0.14 gives
``eps`` by hand (`minidet.models.rcnn.RCNN`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from minidet_kernels.arrays import Array

from .foreign import Layout

_BLOCKS = (3, 4, 6, 3)
_BODY = [
    "conv1",
    "bn1",
    *(
        f"layer{i + 1}.{k}.{part}{number}"
        for i, count in enumerate(_BLOCKS)
        for k in range(count)
        for part in ("conv", "bn")
        for number in (1, 2, 3)
    ),
    *(f"layer{i + 1}.0.downsample.{part}" for i in range(4) for part in (0, 1)),
]
_SAME = [
    *(f"backbone.body.{name}" for name in _BODY),
    *(f"rpn.head.{name}" for name in ("cls_logits", "bbox_pred")),
    *(f"roi_heads.{name}" for name in ("box_head.fc6", "box_head.fc7")),
    *(f"roi_heads.{name}" for name in ("box_predictor.cls_score", "box_predictor.bbox_pred")),
    *(f"roi_heads.{name}" for name in ("mask_predictor.conv5_mask", "mask_predictor.mask_fcn_logits")),
    *(f"roi_heads.keypoint_head.{2 * i}" for i in range(8)),
    "roi_heads.keypoint_predictor.kps_score_lowres",
]
_PYRAMID = ("backbone.fpn.inner_blocks", "backbone.fpn.layer_blocks")
#: The newer name of a layer to the older one, which is ours.
_DEEPER = {
    **{f"{name}.{i}.0": f"{name}.{i}" for name in _PYRAMID for i in range(4)},
    "rpn.head.conv.0.0": "rpn.head.conv",
    **{f"roi_heads.mask_head.{i}.0": f"roi_heads.mask_head.mask_fcn{i + 1}" for i in range(4)},
}  # fmt: skip

#: torchvision's name of a layer, old or new, to ours.
RCNN: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME} | {old: old for old in _DEEPER.values()} | _DEEPER
)


def _told(state: Mapping[str, Array]) -> dict[str, Any]:
    """The classes and keypoints by the shapes of biases; no epsilon where the names are the old ones."""
    told: dict[str, Any] = {"options": {}}
    if (bias := state.get("roi_heads.box_predictor.cls_score.bias")) is not None and bias.size > 1:
        told["classes"] = bias.size - 1
    if (bias := state.get("roi_heads.keypoint_predictor.kps_score_lowres.bias")) is not None:
        told["options"]["keypoints"] = bias.size
    if "rpn.head.conv.weight" in state:
        told["options"]["eps"] = 0.0
    return told


LAYOUT = Layout(
    "torchvision's R-CNNs on ResNet-50 with a pyramid",
    frozenset({"faster-rcnn-r50-fpn", "mask-rcnn-r50-fpn", "keypoint-rcnn-r50-fpn"}),
    RCNN,
    _told,
    ignored=("num_batches_tracked",),
)
