"""Plain bugs of evaluators, of runs and of outlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minidet.conformance.operators import Answer, Inputs

from . import metrics_base as base

BUGS: Mapping[str, Mapping[str, Callable[[Inputs], Answer]]] = {
    "coco_ap": base.of(
        base.coco_ap,
        "a truth is matched twice",
        "classes are not compared",
        "images are not compared",
        "not sorted before matching",
        "not ranked over images",
        "the first that is enough",
        "what takes an ignored truth is false",
        "misses out of range count",
        "recall over all truths",
        "IoU with crowds",
        "precision is not made monotone",
        "no recall 0",
        "no limit",
    ),
    "coco_mask_ap": base.of(
        base.coco_ap,
        "a truth is matched twice",
        "images are not compared",
        "what takes an ignored truth is false",
        "misses out of range count",
        "IoU with crowds",
        "precision is not made monotone",
    ),
    "voc_ap": base.of(
        base.voc_ap,
        "a truth is matched twice",
        "images are not compared",
        "not ranked over images",
        "worst first",
        "the last detection is left out",
        "recall over the images with truths",
        "precision is not made monotone",
    ),
    "rle": base.of(
        base.rle,
        "width and height exchanged",
        "the last run is missing",
        "a run ends with each column",
        "a mask without ones has no counts",
        "always a zero first",
        "in bytes",
    ),
    "polygon_mask": base.of(
        base.polygon_mask,
        "its bounding box",
        "coordinates are cut to whole numbers",
        "coordinates are clipped to the mask",
        "the outline is not closed",
        "both ends of an edge count",
        "any edge above",
    ),
}
RIGHT: Mapping[str, Callable[[Inputs], Answer]] = {
    "coco_ap": base.coco_ap,
    "coco_mask_ap": base.coco_ap,
    "voc_ap": base.voc_ap,
    "rle": base.rle,
    "polygon_mask": base.polygon_mask,
}
