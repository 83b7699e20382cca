"""A data set as COCO JSON; what the numbers mean stands at the head of ``coco``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.masks import areas, to_coco

from ..dataset import Dataset, Objects
from . import writing


def write(dataset: Dataset, folder: Path, *, images: str, split: str | None) -> writing.Written:
    """Write into the (temporary) ``folder``: annotations/instances[_SPLIT].json, and pictures under images/."""
    for record in dataset:
        writing.put_picture(dataset, record, folder / "images" / record.path, images)
    (folder / "images").mkdir(exist_ok=True)
    path = folder / "annotations" / (f"instances_{split}.json" if split else "instances.json")
    path.parent.mkdir()
    path.write_text(json.dumps(document(dataset), allow_nan=False), encoding="utf-8")
    held = ("crowd", "difficult", "truncated", "area", "mask", "polygons", "keypoints")
    return writing.Written(folder, len(dataset), 0, writing.lost(dataset, held))


def document(dataset: Dataset, *, compressed: bool = True) -> dict[str, Any]:
    """What the file holds, as plain values.

    The numbers of annotations are kept where all differ and are at least 1, else they are 1, 2, ... (COCO's program
    takes 0 for "none").  An area that was not annotated is the mask's, or the box's.  An object's segmentation is its
    polygons, else the runs of its mask, as a text or with ``compressed=False`` as a list.
    """
    every = np.concatenate([np.zeros(0, np.int64), *(record.objects.ids for record in dataset)])
    keep = len(np.unique(every)) == len(every) and (len(every) == 0 or every.min() >= 1)
    pictures, annotations = [], list[dict[str, Any]]()
    for record in dataset:
        h, w = writing.size_of(dataset, record)
        sides = {"height": h, "width": w} if h and w else {}
        pictures.append({"id": int(record.id), "file_name": record.path, **sides})
        for i, one in enumerate(_objects(record.objects, compressed)):
            number = int(record.objects.ids[i]) if keep else len(annotations) + 1
            category = dataset.category_ids[int(record.objects.labels[i])]
            annotations.append({"id": number, "image_id": int(record.id), "category_id": int(category), **one})
    points = {}
    if dataset.keypoint_names:
        lines = [[a + 1, b + 1] for a, b in dataset.skeleton]
        points = {"keypoints": list(dataset.keypoint_names), "skeleton": lines}
    categories = [
        {"id": int(number), "name": name, **points}
        for number, name in zip(dataset.category_ids, dataset.names, strict=True)
    ]
    return {"images": pictures, "annotations": annotations, "categories": categories}


def _objects(objects: Objects, compressed: bool) -> list[dict[str, Any]]:
    """Of each object what does not depend on the others."""
    runs = None if objects.masks is None else to_coco(objects.masks, compressed=compressed)
    pixels = None if objects.masks is None else areas(objects.masks)
    found = []
    for i, (x1, y1, x2, y2) in enumerate(objects.boxes.tolist()):
        box = [_plain(value) for value in (x1, y1, x2 - x1, y2 - y1)]
        area = float(objects.areas[i])
        if np.isnan(area):
            area = float(pixels[i]) if pixels is not None else abs((x2 - x1) * (y2 - y1))
        one: dict[str, Any] = {"bbox": box, "area": _plain(area), "iscrowd": int(objects.crowd[i])}
        outlines = None if objects.polygons is None else objects.polygons[i]
        if outlines is not None:
            one["segmentation"] = [[_plain(value) for value in part.ravel().tolist()] for part in outlines]
        elif runs is not None:
            one["segmentation"] = runs[i]
        if objects.keypoints is not None:
            points = objects.keypoints[i].copy()
            points[:, :2] -= np.where(points[:, 2:] > 0, 0.5, 0.0)
            one["keypoints"] = [_plain(value) for value in points.ravel().tolist()]
            one["num_keypoints"] = int((points[:, 2] > 0).sum())
        for name in ("difficult", "truncated"):
            if getattr(objects, name)[i]:
                one[name] = 1
        found.append(one)
    return found


def _plain(value: float) -> int | float:
    """A whole number without its point."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value
