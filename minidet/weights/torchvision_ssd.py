"""torchvision's ``ssd300_vgg16`` under our names, and its conventions.

Its input is RGB from 0 to 1, of which the mean is subtracted and which is multiplied by 255; its priors' widths and
heights are clipped to the image; decoding limits what is exponentiated, and boxes are cut to the image before
suppression; its classes are ours after "nothing".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from minidet_kernels.arrays import Array

from ..boxes.encoding import LARGEST
from .foreign import Layout

_FEATURES = {
    0: "conv1_1", 2: "conv1_2", 5: "conv2_1", 7: "conv2_2", 10: "conv3_1", 12: "conv3_2", 14: "conv3_3",
    17: "conv4_1", 19: "conv4_2", 21: "conv4_3",
}  # fmt: skip
_FIRST_EXTRA = {"1": "conv5_1", "3": "conv5_2", "5": "conv5_3", "7.1": "fc6", "7.3": "fc7"}

#: torchvision's name of a layer to ours.
SSD300: Mapping[str, str] = MappingProxyType(
    {"backbone.scale_weight": "l2norm.weight"}
    | {f"backbone.features.{number}": f"backbone.{name}" for number, name in _FEATURES.items()}
    | {f"backbone.extra.0.{number}": f"backbone.{name}" for number, name in _FIRST_EXTRA.items()}
    | {
        f"backbone.extra.{block + 1}.{number}": f"extras.{block}.{conv}"
        for block in range(4)
        for number, conv in ((0, "conv1"), (2, "conv2"))
    }
    | {
        f"head.{theirs}_head.module_list.{number}": f"{ours}.{number}"
        for theirs, ours in (("regression", "locations"), ("classification", "logits"))
        for number in range(6)
    }
)

#: What `minidet.models.ssd.SSD` is to be told so that it computes what torchvision does.
OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "size": 300,
        "sizes": tuple(300 * s for s in (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)),
        "clip": "sides",
        "largest": LARGEST,
        "inside": True,
        "mean": tuple(255 * m for m in (0.48235, 0.45882, 0.40784)),
    }
)


def _told(state: Mapping[str, Array]) -> dict[str, Any]:
    """The options, and the number of classes by a bias of the logits: each cell of the first map has four boxes."""
    bias = state.get("head.classification_head.module_list.0.bias")
    classes = {} if bias is None or bias.size < 8 else {"classes": bias.size // 4 - 1}
    return {"options": dict(OPTIONS), **classes}


LAYOUT = Layout("torchvision's ssd300_vgg16", frozenset({"ssd300"}), SSD300, _told)
