"""Networks, one file each, known by name: ``build("yolov3", classes=80, size=416)``.

A model is imported when it is built, so that listing the names costs nothing.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from ..nn import Module

#: Mask R-CNN for a CPU: thin, for pictures of a few hundred pixels, all of it trained.
_SMALL_RCNN: Mapping[str, Any] = MappingProxyType(
    {
        "masks": True, "depth": 18, "width": 0.25, "norm": "batch", "size": 256, "anchors": (16, 32, 64, 128, 256),
        "canonical_size": 112, "before": (500, 300), "after": (300, 100),
    }
)  # fmt: skip

#: Name to the class that makes it, as ``module:class``, and the options that the name stands for.
_MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "yolov3": ("yolov3:YOLOv3", {}),
        "yolov3-tiny": ("yolov3_tiny:YOLOv3Tiny", {}),
        "yolov3-spp": ("yolov3:YOLOv3", {"spp": True}),
        "yolov3-small": ("yolov3_small:YOLOv3Small", {}),
        "yolov3-shapes": ("tiny_yolo:TinyYOLO", {}),
        "ssd300": ("ssd:SSD", {"size": 300}),
        "ssd512": ("ssd:SSD", {"size": 512}),
        "ssd-small": ("ssd_small:SSDSmall", {}),
        "ssd-mobilenet": ("mobilenet_ssd:MobileNetSSD", {}),
        "ultraface-rfb-320": ("ultraface:UltraFace", {}),
        "ultraface-slim-320": ("ultraface:UltraFace", {"rfb": False}),
        "faster-rcnn-r50-fpn": ("rcnn:RCNN", {}),
        "mask-rcnn-r50-fpn": ("rcnn:RCNN", {"masks": True}),
        "keypoint-rcnn-r50-fpn": ("rcnn:RCNN", {"classes": 1, "keypoints": 17}),
        "mask-rcnn-r18-fpn-small": ("rcnn:RCNN", {**_SMALL_RCNN}),
    }
)

#: The names that `build` knows.
NAMES = tuple(_MODELS)

#: Networks whose authors count "nothing" as one of the classes: their 21 classes are 20 of things.
COUNT_NOTHING = frozenset(
    {
        "ssd300", "ssd512", "ssd-small", "ssd-mobilenet", "ultraface-rfb-320", "ultraface-slim-320",
        "faster-rcnn-r50-fpn", "mask-rcnn-r50-fpn", "keypoint-rcnn-r50-fpn", "mask-rcnn-r18-fpn-small",
    }
)  # fmt: skip


def build(name: str, **options: Any) -> Module:
    """The network that goes by ``name``, with fresh parameters; ``options`` are those of its class.

    All detectors take ``classes`` and ``size``, one number or (height, width).  To build one whose weights are loaded
    next, wrap the call in ``minidet.nn.init.skipped()``.  Raises `InputError` for a name that is not in ``NAMES``.
    """
    cls, preset = _found(name)
    made: Module = cls(**{**preset, **options})
    return made


def options(name: str) -> frozenset[str]:
    """The options that `build` takes for ``name``.  Raises `InputError` as `build` does."""
    return frozenset(inspect.signature(_found(name)[0]).parameters)


def _found(name: str) -> tuple[Any, Mapping[str, Any]]:
    """The class of the network, and the options that its name stands for."""
    if name not in _MODELS:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no model is named {name!r}; there are {', '.join(NAMES)}{hint}")
    target, preset = _MODELS[name]
    module, _, cls = target.partition(":")
    return getattr(importlib.import_module(f".{module}", __name__), cls), preset
