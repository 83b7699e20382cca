"""pycocotools, faster-coco-eval, OpenCV and Pillow, called as the suite calls."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np

Masks = Callable[[np.ndarray], Any]


def _evaluated(
    coco: Any, evaluator: Any, kind: str, objects: list[list[Any]], of_truths: list[Any], of_found: list[Any],
    inputs: list[Any], size: tuple[int, int],
) -> np.ndarray:  # fmt: skip
    """AP of each class; ``objects`` are boxes or runs of the truths and of the detections."""
    thresholds, area_range, limit, classes = inputs
    key = "bbox" if kind == "bbox" else "segmentation"
    images, labels, area, crowd, ignore, ids = (column.tolist() for column in of_truths)
    truths = [
        {
            "id": i, "image_id": image + 1, "category_id": label + 1, key: one, "area": a, "iscrowd": c, "ignore": skip,
        }
        for i, image, label, one, a, c, skip in zip(ids, images, labels, objects[0], area, crowd, ignore, strict=True)
    ]  # fmt: skip
    image_of, label_of, scores = (column.tolist() for column in of_found)
    found = [
        {"image_id": image + 1, "category_id": label + 1, key: one, "score": score}
        for image, label, one, score in zip(image_of, label_of, objects[1], scores, strict=True)
    ]
    count = 1 + max([*images, *image_of, 0])
    dataset = {
        "images": [{"id": i + 1, "height": size[0], "width": size[1]} for i in range(count)],
        "categories": [{"id": c + 1, "name": str(c)} for c in range(classes)],
        "annotations": truths,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = coco()
        annotated.dataset = dataset
        annotated.createIndex()
        if found:
            results = annotated.loadRes(found)
        else:
            results = coco()
            results.dataset = {**dataset, "annotations": []}
            results.createIndex()
        one = evaluator(annotated, results, kind)
        one.params.iouThrs = np.array(thresholds) / 100
        one.params.areaRng, one.params.areaRngLbl = [list(area_range)], ["all"]
        one.params.maxDets = [limit]
        one.evaluate()
        one.accumulate()
    precision = np.asarray(one.eval["precision"])[:, :, :, 0, 0]  # thresholds, recalls, classes
    there = (precision > -1).any(axis=(0, 1))
    return np.where(there, precision.mean(axis=(0, 1)), -1.0)


def _boxes(coco: Any, evaluator: Any, given: tuple[Any, ...]) -> np.ndarray:
    (images, labels, boxes, area, crowd, ignore, ids, image_of, label_of, found, scores, *rest) = given
    objects = [boxes.astype(float).tolist(), found.astype(float).tolist()]
    truths = [images, labels, area.astype(float), crowd, ignore, ids]
    return _evaluated(
        coco, evaluator, "bbox", objects, truths, [image_of, label_of, scores.astype(float)], rest, (64, 64)
    )


def coco_ap(*given: Any) -> np.ndarray:
    """By pycocotools; boxes are a corner and sides."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _boxes(COCO, COCOeval, given)


def faster_coco_ap(*given: Any) -> np.ndarray:
    """By faster-coco-eval."""
    from faster_coco_eval import COCO, COCOeval_faster

    return _boxes(COCO, COCOeval_faster, given)


def coco_mask_ap(*given: Any) -> np.ndarray:
    """By pycocotools."""
    from pycocotools import mask as runs
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    (images, labels, masks, area, crowd, ignore, ids, image_of, label_of, found, scores, *rest) = given
    objects = [[runs.encode(np.asfortranarray(one)) for one in some] for some in (masks, found)]
    truths = [images, labels, area.astype(float), crowd, ignore, ids]
    size = masks.shape[1:]
    return _evaluated(COCO, COCOeval, "segm", objects, truths, [image_of, label_of, scores.astype(float)], rest, size)


def rle(mask: np.ndarray) -> np.ndarray:
    """The runs of pycocotools, from its string."""
    from pycocotools import mask as runs

    text = runs.encode(np.asfortranarray(mask))["counts"]
    counts: list[int] = []
    value = shift = 0
    for code in text:
        piece = code - 48
        value |= (piece & 31) << shift
        shift += 5
        if not piece & 32:
            value -= (1 << shift) if piece & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return np.array(counts, np.int64)


def coco_polygon(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """By pycocotools."""
    from pycocotools import mask as runs

    return runs.decode(runs.frPyObjects([polygon.astype(float).reshape(-1).tolist()], *size))[..., 0]  # type: ignore[no-any-return]


def opencv_polygon(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """By OpenCV, which takes whole numbers."""
    import cv2

    return np.asarray(cv2.fillPoly(np.zeros(size, np.uint8), [polygon.astype(np.int32)], 1))


def pillow_polygon(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """By Pillow."""
    from PIL import Image, ImageDraw

    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in polygon], fill=1, outline=1)
    return np.asarray(image)
