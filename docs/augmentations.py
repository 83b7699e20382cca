"""Draw the pictures of the page on augmentation: ``python -m docs.augmentations``; with ``--check``, only compare.

Each is a row: a drawn scene with its boxes, or two where a transform takes two, and behind a gap what becomes of it by
three or four seeds.  Colours are merged to 256, so that a picture has a palette and is small.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from minidet_kernels.masks import decode, encode

from minidet.data import augment as A
from minidet.data.dataset import Objects
from minidet.data.sample import Sample, Transform
from minidet.data.shapes import ShapesDataset
from minidet.draw import class_colour

HERE = Path(__file__).resolve().parent / "images" / "augment"
SIDE, GAP, BETWEEN = 128, 4, 16
COLOURS = 256
SCENES = (9, 22, 17, 28)

Make = Callable[[], Transform]

#: Every picture: the transforms whose results it shows, one after the other, and how many scenes stand before them.
PICTURES: dict[str, tuple[list[Transform], int]] = {
    "flips": ([A.HorizontalFlip(1), A.VerticalFlip(1), A.Compose((A.HorizontalFlip(1), A.VerticalFlip(1)))], 1),
    "crop": ([A.Crop((0.4, 0.9))] * 4, 1),
    "expand": ([A.Expand(2.5)] * 4, 1),
    "iou_crop": ([A.IoUCrop((0.0, 0.1, 0.3), (0.3, 1))] * 4, 1),
    "jitter": ([A.Jitter()] * 4, 1),
    "crop_jitter": ([A.CropJitter()] * 4, 1),
    "fit": (
        [A.Resize((90, 128)), A.Letterbox((90, 128)), A.Compose((A.Crop((0.6, 0.9)), A.ResizeShort((90,), 128)))],
        1,
    ),
    "scale_jitter": ([A.ScaleJitter((128, 128), (0.3, 2))] * 4, 1),
    "hsv": ([A.HSV()] * 4, 1),
    "colours": ([A.Brightness(64), A.Contrast(pivot="mean"), A.Gamma((0.4, 0.5)), A.Blur((2, 2))], 1),
    "colours_of_pixels": ([A.Saturation((0.2, 0.2)), A.Saturation((1.8, 1.8)), A.Hue(0.3), A.ChannelOrder()], 1),
    "cutout": ([A.Cutout(3, 0.25)] * 4, 1),
    "random_erasing": ([A.RandomErasing((0.05, 0.2))] * 4, 1),
    "mixup": ([A.MixUp()] * 3, 2),
    "cutmix": ([A.CutMix()] * 3, 2),
    "mosaic": ([A.Mosaic()] * 2 + [A.Mosaic(fit="cover", scale=(1, 1.5))] * 2, 1),
    "copy_paste": ([A.CopyPaste(0.7)] * 3, 2),
    "yolov3": ([A.yolov3((128, 128))] * 4, 1),
    "ssd": ([A.ssd((128, 128))] * 4, 1),
    "small": ([A.small((128, 128))] * 4, 1),
}


@cache
def scene(number: int) -> Sample:
    """Scene ``number`` of the drawn shapes, without noise, with its masks."""
    drawn = ShapesDataset(number + 1, seed=3, size=SIDE, shapes=(3, 5), noise=0.0)[number]
    return Sample(drawn.image, Objects(drawn.boxes, drawn.labels, masks=encode(drawn.masks)))


def annotated(sample: Sample) -> np.ndarray:
    """The picture with the edge of every mask and every box in the colour of its class."""
    image, objects = sample.image.copy(), sample.objects
    h, w = image.shape[:2]
    assert objects.masks is not None
    for mask, label, box in zip(decode(objects.masks), objects.labels, objects.boxes, strict=True):
        colour = class_colour(int(label))
        padded = np.pad(mask, 1)
        inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        image[mask & ~inside] = (255, 255, 255)
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, [w, h, w, h]).astype(int)
        x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
        image[[y1, y2 - 1], x1:x2] = colour
        image[y1:y2, x1] = image[y1:y2, x2 - 1] = colour
    return image


def picture(name: str) -> np.ndarray:
    """The row ``name``, (h, w, 3) uint8."""
    transforms, shown = PICTURES[name]
    first = scene(SCENES[0])
    panels = [annotated(scene(number)) for number in SCENES[:shown]]
    for seed, transform in enumerate(transforms):
        others = iter(SCENES[1:])
        result = transform(first, np.random.default_rng(seed), lambda rng, others=others: scene(next(others)))
        if max(result.image.shape[:2]) > SIDE:
            result = A.ResizeShort((SIDE,), SIDE)(result, np.random.default_rng(0), lambda rng: first)
        panels.append(annotated(result))
    gaps = [BETWEEN if k == shown else GAP for k in range(1, len(panels) + 1)]
    row = np.full((SIDE, len(panels) * SIDE + sum(gaps[:-1]), 3), 255, np.uint8)
    left = 0
    for panel, gap in zip(panels, gaps, strict=True):
        row[: panel.shape[0], left : left + panel.shape[1]] = panel
        left += SIDE + gap
    return row


def merged(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The palette (256, 3) uint8 of a picture, and which colour of it each pixel has, (h, w) uint8: the median cut.

    All colours are one group at first.  Then, again and again, the group that spans most, times the root of its number
    of pixels, is cut in two halves of its pixels along the channel that spans most.  The mean stands for a group.
    """
    colours, place, counts = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    colours = colours.astype(np.int64)
    groups = [np.arange(len(colours))]
    spans = [_span(colours, counts, groups[0])]
    while len(groups) < COLOURS and max(spans)[0] > 0:
        widest = int(np.argmax([span for span, _ in spans]))
        group = groups[widest][np.argsort(colours[groups[widest], spans[widest][1]], kind="stable")]
        below = np.cumsum(counts[group])
        half = min(max(int(np.searchsorted(below, below[-1] / 2)), 1), len(group) - 1)
        groups[widest], more = group[:half], group[half:]
        groups.append(more)
        spans[widest] = _span(colours, counts, groups[widest])
        spans.append(_span(colours, counts, more))
    palette, number = np.zeros((COLOURS, 3), np.uint8), np.zeros(len(colours), np.uint8)
    for k, group in enumerate(groups):
        total = counts[group].sum()
        palette[k] = (2 * counts[group] @ colours[group] + total) // (2 * total)
        number[group] = k
    return palette, number[place.reshape(image.shape[:2])]


def _span(colours: np.ndarray, counts: np.ndarray, group: np.ndarray) -> tuple[float, int]:
    """How much a group is in need of being cut, and the channel to cut."""
    extent = np.ptp(colours[group], axis=0)
    channel = int(np.argmax(extent))
    return float(extent[channel] * np.sqrt(counts[group].sum())), channel


def write(name: str) -> None:
    """Write the picture ``name`` as a PNG file with a palette."""
    from PIL import Image

    HERE.mkdir(parents=True, exist_ok=True)
    palette, indices = merged(picture(name))
    file = Image.fromarray(indices)
    file.putpalette(palette.tobytes())
    file.save(HERE / f"{name}.png", optimize=True)


def stale() -> list[str]:
    """The names of pictures that are missing, too many, or not what the code draws now, pixel by pixel."""
    from PIL import Image

    found = sorted({path.stem for path in HERE.glob("*.png")} - set(PICTURES))
    for name in PICTURES:
        path = HERE / f"{name}.png"
        palette, indices = merged(picture(name))
        if not path.is_file() or not np.array_equal(np.asarray(Image.open(path).convert("RGB")), palette[indices]):
            found.append(name)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.augmentations", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a picture is not up to date")
    if parser.parse_args().check:
        wrong = stale()
        for name in wrong:
            print(f"docs/images/augment/{name}.png is not what the code draws; run: python -m docs.augmentations")
        return 1 if wrong else 0
    for name in PICTURES:
        write(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
