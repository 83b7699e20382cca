"""Every transform and preset, some with several options; the first word of a name is that in files."""

from __future__ import annotations

from typing import Any

from minidet.data import augment as A

FLIPS = A.Compose((A.HorizontalFlip(), A.VerticalFlip()))

#: Those that move objects: where a pixel goes, its objects go.
MOVING: dict[str, Any] = {
    "compose": FLIPS,
    "copy_paste": A.CopyPaste(0.7, least=0.2, each=FLIPS),
    "copy_paste of boxes": A.CopyPaste(1.0),
    "crop": A.Crop((0.3, 1)),
    "crop_jitter": A.CropJitter(jitter=0.3, least=0),
    "crop_jitter to a size": A.CropJitter((40, 55), 0.2),
    "cutmix": A.CutMix(least=0.2),
    "cutout": A.Cutout(2, 0.4),
    "expand": A.Expand(2),
    "horizontal_flip": A.HorizontalFlip(),
    "iou_crop": A.IoUCrop(),
    "iou_crop of all": A.IoUCrop(choose="patch", satisfied="all", keep="share", least=0.3),
    "jitter": A.Jitter((48, 40)),
    "letterbox": A.Letterbox((50, 41)),
    "letterbox of yolov5": A.Letterbox((33, 50), rounding="yolov5", fill=(1, 2, 3)),
    "mosaic": A.Mosaic((60, 50), scale=(0.8, 1.5), each=FLIPS),
    "mosaic, covered": A.Mosaic(fit="cover", scale=(1, 1.5), keep="centre"),
    "one_of": A.OneOf((A.HorizontalFlip(1), A.VerticalFlip(1)), (1, 2)),
    "random_erasing": A.RandomErasing(fill=77),
    "resize": A.Resize((45, 33)),
    "resize_short": A.ResizeShort((30, 50), 60),
    "scale_jitter": A.ScaleJitter((40, 45), (0.5, 2)),
    "scale_jitter anywhere": A.ScaleJitter((40, 45), (0.5, 2), place="anywhere"),
    "sometimes": A.Sometimes(0.5, A.VerticalFlip(1)),
    "vertical_flip": A.VerticalFlip(),
}
#: Those that change colours, too.
EVERY: dict[str, Any] = MOVING | {
    "blur": A.Blur((0, 2)),
    "brightness": A.Brightness(),
    "channel_order": A.ChannelOrder(),
    "contrast": A.Contrast(pivot="mean"),
    "gamma": A.Gamma(),
    "hsv": A.HSV(),
    "hue": A.Hue(0.5),
    "mixup": A.MixUp(),
    "mixup, each flipped": A.MixUp(least=0.4, each=FLIPS),
    "random_erasing by noise": A.RandomErasing(),
    "saturation": A.Saturation(),
    "yolov3": A.yolov3((32, 64)),
    "ssd": A.ssd((30, 20)),
    "mask_rcnn": A.mask_rcnn((20, 30), 60),
    "small": A.small((32, 64)),
}
