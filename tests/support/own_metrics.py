"""Our evaluators, masks and outlines, called as the suite calls, in any dialect that they know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from minidet_kernels.masks import decode, encode, from_polygons

from minidet.metrics import Found, Truth, by_rules, evaluate
from minidet.metrics.coco import coco
from minidet.metrics.columns import FoundColumns, TruthColumns
from minidet.metrics.rules import Rules

#: What the suite's values are called by ``Rules``; what is not here, it does not have.
NAMES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "interpolation": (
        "interpolation",
        {
            "coco101": "coco101",
            "area": "all",
            "eleven": "voc11",
            "ultralytics": "ultralytics",
            "yolov5": "yolov5",
        },
    ),
    "recall_bins": ("recall_bins", {"exact": "exact", "float": "float", "float32": "float32"}),
    "zero_id": ("zero_id", {"unmatched": "unmatched", "matches": "matches"}),
    "tie": ("tie", {"last": "last", "first": "first"}),
    "compare": ("compare", {"inclusive": ">=", "strict": ">"}),
    "match": ("match", {"free": "free", "best": "best"}),
    "width": ("pixels", {"exclusive": "exclusive", "inclusive": "inclusive"}),
    "area": ("area", {"annotated": "annotated", "measured": "box"}),
    "crowd": ("crowd", {"ignore": "ignore", "drop": "drop", "count": "count"}),
    "ignore": ("difficult", {"overwritten": "count", "honoured": "ignore"}),
    "difficult": ("difficult", {"count": "count", "ignore": "ignore"}),
    "score_ties": ("score_ties", {"images": "images", "together": "together"}),
    "limit_per": ("limit_per", {"class": "class", "image": "image"}),
    "no_truth": ("absent", {"nan": "skip", "zero": "zero"}),
    "areas": ("", {"closed": ""}),
}


def has(convention: str, value: str) -> bool:
    """Do our rules have that value?"""
    return value in NAMES[convention][1]


def rules_of(dialect: Mapping[str, str]) -> Rules:
    """The rules of a dialect."""
    named = {NAMES[c][0]: NAMES[c][1][v] for c, v in dialect.items() if NAMES[c][0]}
    return Rules(**named)  # type: ignore[arg-type]


def xywh(boxes: np.ndarray) -> np.ndarray:
    rows = boxes.astype(np.float64)
    return np.concatenate([rows[:, :2], rows[:, 2:] - rows[:, :2]], axis=1)


def coco_columns(inputs: Mapping[str, Any]) -> tuple[TruthColumns, FoundColumns]:
    """The columns of `coco_ap`'s or `coco_mask_ap`'s inputs."""
    images = 1 + max((int(inputs[n].max()) for n in ("images", "truth_images") if inputs[n].size), default=0)
    masks: list[Any] = [None, None]
    boxes = [np.zeros((len(inputs[n]), 4)) for n in ("truth_images", "images")]
    if "masks" in inputs:
        for which, (name, of) in enumerate((("truth_masks", "truth_images"), ("masks", "images"))):
            masks[which] = [encode(inputs[name][inputs[of] == image]) for image in range(images)]
    else:
        boxes = [xywh(inputs[name]) for name in ("truth_boxes", "boxes")]
    truths = TruthColumns(
        images, inputs["classes"], inputs["truth_images"], inputs["truth_labels"], boxes[0],
        inputs["truth_area"].astype(np.float64), inputs["truth_crowd"] != 0, inputs["truth_ignore"] != 0,
        inputs["truth_ids"], masks[0],
    )  # fmt: skip
    found = FoundColumns(inputs["images"], inputs["labels"], boxes[1], inputs["scores"].astype(np.float64), masks[1])
    return truths, found


def _rules(inputs: Mapping[str, Any], rules: Rules) -> Rules:
    low, high = inputs["area_range"]
    thresholds = tuple(t / 100 for t in inputs["thresholds"])
    return replace(rules, thresholds=thresholds, limit=inputs["limit"], areas=(("all", float(low), float(high)),))


def coco_ap_by_rules(rules: Rules | None = None, **inputs: Any) -> np.ndarray:
    truths, found = coco_columns(inputs)
    report = by_rules.evaluate(truths, found, _rules(inputs, rules or Rules()))
    return np.array([report.ap(label=c) for c in range(inputs["classes"])])


def coco_ap(rules: Rules | None = None, **inputs: Any) -> np.ndarray:
    """By the fast evaluator."""
    truths, found = coco_columns(inputs)
    report = coco(truths, found, _rules(inputs, rules or Rules()), "masks" if "masks" in inputs else "boxes")
    return np.array([report.ap(label=c) for c in range(inputs["classes"])])


#: The profile ``minidet``: `minidet.metrics.evaluate`.
SIMPLE = Rules(interpolation="all", tie="first", thresholds=(0.5,), limit=None)


def voc_ap_by_rules(rules: Rules = SIMPLE, **inputs: Any) -> np.ndarray:
    images = 1 + max((int(inputs[n].max()) for n in ("images", "truth_images") if inputs[n].size), default=0)
    zeros, ids = np.zeros(len(inputs["difficult"]), np.int64), np.arange(1, len(inputs["difficult"]) + 1)
    truths = TruthColumns(
        images, 1, inputs["truth_images"], zeros, xywh(inputs["truth_boxes"]), np.full(len(zeros), np.nan), zeros != 0,
        inputs["difficult"] != 0, ids,
    )  # fmt: skip
    found = FoundColumns(
        inputs["images"], np.zeros_like(inputs["images"]), xywh(inputs["boxes"]), inputs["scores"].astype(np.float64)
    )
    report = by_rules.evaluate(truths, found, replace(rules, thresholds=(inputs["threshold"],)))
    return np.array(report.ap(label=0))


def voc_ap(**inputs: Any) -> np.ndarray:
    """By the evaluator of one threshold that is written for training."""
    images = 1 + max((int(inputs[n].max()) for n in ("images", "truth_images") if inputs[n].size), default=0)
    found, truths = [], []
    for image in range(images):
        mine, theirs = inputs["images"] == image, inputs["truth_images"] == image
        found.append(Found(inputs["boxes"][mine], inputs["scores"][mine], np.zeros(mine.sum(), np.int64)))
        truths.append(Truth(inputs["truth_boxes"][theirs], np.zeros(theirs.sum(), np.int64)))
    return evaluate(found, truths, 1, iou=inputs["threshold"]).ap[0]  # type: ignore[no-any-return]


def rle(mask: np.ndarray) -> np.ndarray:
    return encode(mask[None]).counts


def polygon_mask(polygon: np.ndarray, size: tuple[int, int], rule: str = "even_odd") -> np.ndarray:
    return decode(from_polygons([[polygon.astype(np.float64).reshape(-1)]], size=size, rule=rule))[0].astype(np.uint8)


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "coco_ap": {"coco": coco_ap, "by_rules": coco_ap_by_rules},
    "coco_mask_ap": {"coco": coco_ap},
    "voc_ap": {"average_precision": voc_ap, "by_rules": voc_ap_by_rules},
    "rle": {"encode": rle},
    "polygon_mask": {"from_polygons": polygon_mask},
}
