"""Batches for training, each a function of the settings and its number alone: so a run can go on at any of them.

``minidet.data.loader.Loader`` prepares them; here boxes become what the loss takes, and drawn scenes a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.masks import encode

from ..data.dataset import Dataset, Objects, Record
from ..data.letterbox import Placement, letterbox, stretch
from ..data.loader import Loader
from ..data.sample import Transform
from ..data.shapes import NAMES, ShapesDataset
from .yolo_assign import Truths

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """``inputs`` float32 (N, 3, h, w) in 0..1, the ``truths`` of each image, and what the images are called."""

    inputs: np.ndarray
    truths: list[Any]
    names: list[str]


def truths_of(objects: Objects, size: Size) -> Truths:
    """What YOLO and SSD learn of objects in pixels of an input of ``size``: boxes and labels."""
    return Truths.from_pixels(objects.boxes, objects.labels, size)


@dataclass(frozen=True, eq=False)
class Feed:
    """Batches of a data set without end; ``per_epoch`` of them are a round.

    ``transform`` augments the batches before number ``stop`` (all, when it is None).  ``size`` is a pure function from
    the number of a batch to (height, width).  ``workers`` threads prepare batches ahead.  ``truths`` makes of an
    image's objects what the loss takes.
    """

    dataset: Dataset
    size: Callable[[int], Size]
    batch: int
    seed: int = 0
    transform: Transform | None = None
    placement: str = "stretch"
    stop: int | None = None
    workers: int = 1
    truths: Callable[[Objects, Size], Any] = truths_of

    @property
    def per_epoch(self) -> int:
        """Batches of a round; images that would make a smaller batch are left out of it, unless they are all."""
        return max(1, len(self.dataset) // self.batch)

    def since(self, number: int) -> Iterator[Batch]:
        """Batches ``number``, ``number + 1``, ... without end."""
        stop = self.stop if self.transform is not None else None
        while True:
            plain = self.transform is None or (stop is not None and number >= stop)
            with self._loader(None if plain else self.transform, number) as loader:
                for batch in loader.forever():
                    yield self._batch(batch.inputs, batch.truths, batch.indices)
                    number += 1
                    if not plain and number == stop:
                        break

    def _loader(self, transform: Transform | None, start: int) -> Loader:
        return Loader(
            self.dataset, batch=self.batch, size=self.size, transform=transform, seed=self.seed, workers=self.workers,
            letterbox=letterbox if self.placement == "letterbox" else stretch,
            drop_last=len(self.dataset) >= self.batch, start=start,
        )  # fmt: skip

    def _batch(self, inputs: np.ndarray, objects: Sequence[Objects], indices: np.ndarray) -> Batch:
        size = (inputs.shape[2], inputs.shape[3])
        truths = [self.truths(o, size) for o in objects]
        return Batch(inputs, truths, [self.dataset.records[i].path for i in indices])


def fixed(size: Size) -> Callable[[int], Size]:
    """The same (height, width) for every batch."""
    return lambda number: size


def input_of(image: np.ndarray, size: Size, placement: str) -> tuple[np.ndarray, Placement]:
    """An image (H, W, 3) uint8 on the network's input: (3, h, w) float32 in 0..1, and where it lies."""
    return (letterbox if placement == "letterbox" else stretch)(image, size)


def learnable(dataset: Dataset, *, difficult: bool = True) -> Dataset:
    """The data set without crowds and boxes that have no area; without objects marked difficult if so wished."""

    def chosen(o: Objects) -> Objects:
        wide = ((o.boxes[:, 2:] - o.boxes[:, :2]) > 0).all(axis=1)
        return o[wide & ~o.crowd & (difficult | ~o.difficult)]

    return replace(dataset, records=tuple(replace(r, objects=chosen(r.objects)) for r in dataset.records))


@dataclass(frozen=True, eq=False)
class DrawnDataset(Dataset):
    """Drawn scenes (``minidet.data.shapes``) as a data set; all images are kept in memory."""

    images: tuple[np.ndarray, ...] = ()

    def image(self, index: int) -> np.ndarray:
        """The pixels of scene ``index``, (H, W, 3) uint8 RGB."""
        return self.images[index]


def drawn(scenes: ShapesDataset, *, masks: bool = False, report: Callable[[int], None] | None = None) -> DrawnDataset:
    """The scenes, drawn, with the visible ``masks`` if so wished; ``report`` is told how many there are so far."""
    records, images = [], []
    for i, scene in enumerate(scenes):
        size = scene.image.shape[:2]
        objects = Objects(scene.boxes, scene.labels, masks=encode(scene.masks) if masks else None)
        records.append(Record(f"scene {i}", size, i, objects, f"scene {i}"))
        images.append(scene.image)
        if report is not None:
            report(i + 1)
    return DrawnDataset(Path("."), tuple(NAMES), tuple(records), images=tuple(images))
