"""Augmentation: transforms of a ``Sample``, each a pure function of the sample, the generator and ``draw``.

Boxes, masks and keypoints are moved exactly with the pixels (``moving`` says how, and which objects are kept when only
a part is seen).  A transform is a frozen dataclass: its options are its fields, checked when it is made
(``ValueError``), and the same generator gives the same result.  What a transform does not change it hands on, not
copied.
"""

from __future__ import annotations

from .compose import Compose, OneOf, Sometimes
from .crop import Crop
from .flip import HorizontalFlip, VerticalFlip
from .hsv import HSV
from .jitter import CropJitter, Jitter

__all__ = ["HSV", "Compose", "Crop", "CropJitter", "HorizontalFlip", "Jitter", "OneOf", "Sometimes", "VerticalFlip"]
