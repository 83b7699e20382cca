"""Batches of scenes for training: shuffled, mirrored and recoloured, from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..data.shapes import Scene
from .yolo_assign import Truths


def to_input(images: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 (H, W, 3), all of one size, as a network's input: float32 (N, 3, H, W) in 0..1."""
    return np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def mirrored(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right exchanged, of a picture (H, W, 3) and of boxes (T, 4), cxcywh in 0..1."""
    boxes = boxes.copy()
    boxes[:, 0] = 1 - boxes[:, 0]
    return image[:, ::-1], boxes


def batches(
    scenes: Sequence[Scene], size: int, *, seed: int = 0, augment: bool = True
) -> Iterator[tuple[np.ndarray, list[Truths]]]:
    """Endless batches of ``size`` square scenes, (N, 3, H, W) and the truths of each: a pure function of the seed.

    Every scene is used once before any is used again; a batch may straddle two rounds.  With ``augment`` half of them
    come mirrored, and each with its colour channels in one of six orders.
    """
    if not scenes or size < 1:
        raise ValueError(f"batches of {size} from {len(scenes)} scenes: need at least one of each")
    rng = np.random.default_rng([seed, 1])  # apart from a data set of the same seed
    truths = [Truths.from_pixels(s.boxes, s.labels, s.image.shape[:2]) for s in scenes]
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting.extend(rng.permutation(len(scenes)).tolist())
        chosen, waiting = waiting[:size], waiting[size:]
        images, answers = [], []
        for i in chosen:
            image, boxes = scenes[i].image, truths[i].boxes
            if augment:
                if rng.random() < 0.5:
                    image, boxes = mirrored(image, boxes)
                image = image[:, :, rng.permutation(3)]
            images.append(image)
            answers.append(Truths(boxes, truths[i].labels))
        yield to_input(images), answers
