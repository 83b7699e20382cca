"""What detectors were trained with, each one transform."""

from __future__ import annotations

from .compose import Compose, OneOf, Sometimes
from .expand import Expand
from .fit import Resize, ResizeShort
from .flip import HorizontalFlip, VerticalFlip
from .hsv import HSV
from .iou_crop import IoUCrop
from .jitter import Jitter
from .mosaic import Mosaic
from .photometric import Brightness, Contrast, Hue, Saturation


def yolov3(
    size: tuple[int, int] = (416, 416), jitter: float = 0.3, scale: tuple[float, float] = (0.25, 2.0)
) -> Compose:
    """Darknet's for YOLOv3: jitter, colours, flip; (h, w) is ``size``, and ``with_size`` changes it for a step."""
    return Compose((Jitter(size=size, jitter=jitter, scale=scale), HSV(0.1, 1.5, 1.5), HorizontalFlip()))


def ssd(size: tuple[int, int] = (300, 300)) -> Compose:
    """SSD's (Liu et al. 2016, sections 2.2 and 3.6, and its authors' files): colours, expand, crop by IoU, flip.

    Each change of colour has probability 1/2; contrast comes before the others or after them.
    """
    brightness, contrast = Sometimes(0.5, Brightness(32)), Sometimes(0.5, Contrast((0.5, 1.5)))
    rest = (Sometimes(0.5, Saturation((0.5, 1.5))), Sometimes(0.5, Hue(0.05)))
    return Compose((
        brightness,
        OneOf((Compose((contrast, *rest)), Compose((*rest, contrast)))),
        Sometimes(0.5, Expand(4.0)),
        IoUCrop(scale=(0.3, 1.0), choose="patch"),
        Resize(size),
        HorizontalFlip(),
    ))  # fmt: skip


def mask_rcnn(short: tuple[int, ...] = (640, 672, 704, 736, 768, 800), longest: int = 1333) -> Compose:
    """Mask R-CNN's: the shorter side resized to one of ``short``, and flipped."""
    return Compose((ResizeShort(tuple(short), longest), HorizontalFlip()))


def small(
    size: tuple[int, int] = (416, 416),
    mosaic: float = 0.5,
    scale: tuple[float, float] = (0.5, 1.5),
    vertical: float = 0.5,
) -> Compose:
    """For a few hundred pictures: with probability ``mosaic`` four in one, else jittered; colours; flips.

    ``vertical`` is the probability of top and bottom being exchanged: right under a microscope or from the air, where
    no side is up; 0 for pictures of a world with gravity.
    """
    four = Mosaic(size=size, scale=scale)
    one = Jitter(size=size, jitter=0.2, scale=scale)
    placed = OneOf((four, one), (mosaic, 1 - mosaic))
    return Compose((placed, HSV(0.05, 1.4, 1.4), HorizontalFlip(), VerticalFlip(vertical)))
