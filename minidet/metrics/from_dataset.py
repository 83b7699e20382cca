"""A data set, results in COCO's format, and detections, as the columns that evaluators take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidet.errors import InputError

from .columns import FoundColumns, TruthColumns, as_columns

if TYPE_CHECKING:
    from minidet_kernels.masks import Runs

    from minidet.data.dataset import Dataset, Objects, Record
    from minidet.detections import Detections


def image_order(dataset: Dataset) -> list[int]:
    """Indices of the records by their image number, the order in which evaluators rank equal scores."""
    return sorted(range(len(dataset)), key=lambda i: dataset.records[i].id)


def truth_columns(dataset: Dataset) -> TruthColumns:
    """What is in the images of ``dataset``, in the order of their numbers; masks and keypoints where there are any.

    Masks are there when every image with objects has them.  Keypoints are moved back by half a pixel, where they are
    labelled, since COCO's results are numbered by pixels; images without get keypoints of visibility 0.
    """
    records = [dataset.records[i] for i in image_order(dataset)]
    objects = [record.objects for record in records]
    joined = {
        name: np.concatenate([getattr(o, name) for o in objects]) if objects else np.zeros(0)
        for name in ("labels", "areas", "crowd", "difficult", "ids")
    }
    edges = np.concatenate([o.boxes for o in objects]) if objects else np.zeros((0, 4))
    columns: dict[str, Any] = as_columns(
        image=np.repeat(np.arange(len(objects)), [len(o) for o in objects]),
        label=joined["labels"],
        boxes=np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1),
        area=joined["areas"],
        crowd=joined["crowd"],
        difficult=joined["difficult"],
        ids=joined["ids"],
    )
    columns |= {"masks": _masks(records), "keypoints": _keypoints(objects)}
    return TruthColumns(images=len(objects), classes=len(dataset.names), **columns)


def _masks(records: Sequence[Record]) -> list[Runs] | None:
    from minidet_kernels.masks import Runs

    some = [record.objects.masks for record in records if len(record.objects)]
    if not some or any(masks is None for masks in some):
        return None
    none = np.zeros(0, np.int64), np.zeros(1, np.int64)
    return [r.objects.masks if r.objects.masks is not None else Runs(*none, r.size) for r in records]


def _keypoints(objects: Sequence[Objects]) -> np.ndarray | None:
    count = max((o.keypoints.shape[1] for o in objects if o.keypoints is not None), default=0)
    if not count:
        return None
    parts = [np.zeros((len(o), count, 3)) if o.keypoints is None else o.keypoints for o in objects]
    keypoints = np.concatenate(parts)
    keypoints[:, :, :2] -= 0.5 * (keypoints[:, :, 2:] > 0)
    return keypoints


def found_columns(results: Sequence[Mapping[str, Any]], dataset: Dataset, *, source: str = "results") -> FoundColumns:
    """Results in COCO's format (image_id, category_id, bbox xywh, score) as columns beside ``truth_columns(dataset)``.

    Raises ``InputError`` that names ``source`` and the number of the result: one that is not of that form, names an
    image or category that the data set does not have, or holds a number that is not finite.
    """
    images = {dataset.records[i].id: n for n, i in enumerate(image_order(dataset))}
    labels = {number: label for label, number in enumerate(dataset.category_ids)}
    rows = []
    for n, result in enumerate(results):
        where = f"{source}: result {n}"
        try:
            image, category = result["image_id"], result["category_id"]
            numbers = np.array([*result["bbox"], result["score"]], np.float64)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{where}: expected image_id, category_id, bbox [x, y, w, h] and score") from None
        if numbers.shape != (5,) or not np.isfinite(numbers).all():
            raise InputError(f"{where}: expected five finite numbers in bbox and score, found {numbers.tolist()}")
        if isinstance(image, list | dict) or image not in images:
            raise InputError(f"{where}: the data set has no image with image_id {image!r}")
        if isinstance(category, list | dict) or category not in labels:
            raise InputError(f"{where}: the data set has no category with category_id {category!r}")
        rows.append((images[image], labels[category], numbers))
    table = np.array([row[2] for row in rows], np.float64).reshape(-1, 5)
    columns: dict[str, Any] = as_columns(
        image=[row[0] for row in rows], label=[row[1] for row in rows], boxes=table[:, :4], scores=table[:, 4]
    )
    return FoundColumns(**columns)


def found_of(detections: Sequence[Detections]) -> FoundColumns:
    """What was found in each image in turn (in the order of ``truth_columns``); boxes become x y width height."""
    boxes = np.concatenate([d.boxes for d in detections]) if len(detections) else np.zeros((0, 4))
    return FoundColumns(
        **as_columns(
            image=np.repeat(np.arange(len(detections)), [len(d) for d in detections]),
            label=np.concatenate([d.labels for d in detections]) if len(detections) else [],
            boxes=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
            scores=np.concatenate([d.scores for d in detections]) if len(detections) else [],
        )  # type: ignore[arg-type]
    )
