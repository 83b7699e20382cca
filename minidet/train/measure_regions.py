"""An R-CNN measured on a split: average precision of its boxes, and of its masks where it has any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from minidet_kernels.masks import Runs

from ..autograd import no_grad
from ..data.dataset import Dataset
from ..metrics.coco import coco
from ..metrics.found_regions import mask_runs, region_columns
from ..metrics.from_dataset import image_order, truth_columns
from .measure import RULES, Score, score_of


@dataclass(frozen=True)
class RegionScore(Score):
    """A ``Score`` of boxes, and by the same rules ``mask_ap50`` and ``mask_ap`` of masks."""

    mask_ap50: float
    mask_ap: float


def regions_in(
    model: Any, dataset: Dataset, *, order: list[int] | None = None, batch: int = 8
) -> Iterator[tuple[int, Any, Runs | None]]:
    """The index of each image, what was found in it (`Instances`, in its pixels), and the runs of the masks.

    ``model`` is in eval mode.  Images go through it in the ``order`` of indices, up to ``batch`` at a time where they
    come to one size: what is put around the smaller ones of a batch is seen at their edges, and changes what is found.
    """
    order = list(range(len(dataset))) if order is None else order
    for some, images in _alike(model, dataset, order, batch):
        with no_grad():
            prepared = model.transform([model.to_device(image) for image in images])
            features = model.backbone(prepared.x)
            found = model.roi_heads(features, model.rpn(features, prepared), prepared)
        for k, one in enumerate(model.transform.to_images(found, prepared)):
            masks, size = one.masks, prepared.originals[k]
            runs = None if masks is None else mask_runs(masks, one.boxes, size, rule=model.paste_rule)
            yield some[k], replace(one, masks=None), runs


def _alike(model: Any, dataset: Dataset, order: list[int], batch: int) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Indices and images (3, H, W) in 0..1, one after the other, as many as are of one size in the network."""
    some: list[int] = []
    images: list[np.ndarray] = []
    for i in order:
        image = np.ascontiguousarray(dataset.image(i).transpose(2, 0, 1).astype(np.float32) / np.float32(255))
        size = model.transform.size(image.shape[1:])
        if some and (len(some) == batch or model.transform.size(images[0].shape[1:]) != size):
            yield some, images
            some, images = [], []
        some, images = [*some, i], [*images, image]
    if some:
        yield some, images


def measure_regions(model: Any, dataset: Dataset, *, dropped: int = 0, batch: int = 8) -> Score:
    """The average precision of ``model`` on ``dataset``; of masks too where both have them (then a `RegionScore`).

    ``dropped`` truths without area were left out by the reader already.
    """
    model.eval()
    rows = list(regions_in(model, dataset, order=image_order(dataset), batch=batch))
    truths = truth_columns(dataset)
    runs = [masks for _, _, masks in rows if masks is not None]
    whole = len(runs) == len(rows) and truths.masks is not None
    found = region_columns([one for _, one, _ in rows], runs if whole else None)
    score = score_of(truths, found, dropped)
    if not whole:
        return score
    report = coco(truths, found, RULES, kind="masks")
    return RegionScore(**asdict(score), mask_ap50=report.ap(0.5), mask_ap=report.ap())
