"""Augmentation: transforms of a ``Sample``, each a pure function of the sample, the generator and ``draw``.

Boxes, masks and keypoints are moved exactly with the pixels (``moving`` says how, and which objects are kept when only
a part is seen).  A transform is a frozen dataclass: its options are its fields, checked when it is made
(``ValueError``), and the same generator gives the same result.  What a transform does not change it hands on, not
copied.
"""

from __future__ import annotations

from .blur import Blur
from .compose import Compose, OneOf, Sometimes
from .config import from_config, to_config
from .copy_paste import CopyPaste
from .crop import Crop
from .cutmix import CutMix
from .erase import Cutout, RandomErasing
from .expand import Expand
from .fit import Letterbox, Resize, ResizeShort
from .flip import HorizontalFlip, VerticalFlip
from .hsv import HSV
from .iou_crop import IoUCrop
from .jitter import CropJitter, Jitter
from .mixup import MixUp
from .mosaic import Mosaic
from .photometric import Brightness, ChannelOrder, Contrast, Gamma, Hue, Saturation
from .presets import mask_rcnn, small, ssd, yolov3
from .scale_jitter import ScaleJitter
from .training_sizes import TrainingSizes, with_size

__all__ = [
    "HSV", "Blur", "Brightness", "ChannelOrder", "Compose", "Contrast", "CopyPaste", "Crop", "CropJitter", "CutMix",
    "Cutout", "Expand", "Gamma", "HorizontalFlip", "Hue", "IoUCrop", "Jitter", "Letterbox", "MixUp", "Mosaic", "OneOf",
    "RandomErasing", "Resize", "ResizeShort", "Saturation", "ScaleJitter", "Sometimes", "TrainingSizes", "VerticalFlip",
    "from_config", "mask_rcnn", "small", "ssd", "to_config", "with_size", "yolov3",
]  # fmt: skip
