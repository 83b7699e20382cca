"""Compile ahead what COCO's evaluation compiles, by evaluating a file of two objects in every way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .coco import Kind, coco
from .coco_json import found_in, read_found, read_truths, write_found

_POLYGON = [1.0, 1.0, 6.0, 1.0, 6.0, 5.0, 1.0, 5.0]
_POINTS = [2.0, 2.0, 2.0, 5.0, 4.0, 2.0]
KINDS: tuple[Kind, ...] = ("boxes", "masks", "keypoints")


def _annotation(number: int, segmentation: Any) -> dict[str, Any]:
    return {
        "id": number, "image_id": 1, "category_id": 1, "bbox": [1.0, 1.0, 5.0, 4.0], "area": 20.0, "iscrowd": 0,
        "keypoints": _POINTS, "num_keypoints": 2, "segmentation": segmentation,
    }  # fmt: skip


def warm() -> Iterator[str]:
    """Evaluate; gives the name of each kind when it is done."""
    runs = {"size": [8, 8], "counts": [9, 4, 4, 4, 43]}
    truths = {
        "images": [{"id": 1, "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "thing", "keypoints": ["one", "two"]}],
        "annotations": [_annotation(1, [_POLYGON, _POLYGON]), _annotation(2, runs)],
    }
    with tempfile.TemporaryDirectory() as folder:
        annotated, results = Path(folder) / "truths.json", Path(folder) / "found.json"
        annotated.write_text(json.dumps(truths), encoding="utf-8")
        for kind in KINDS:
            masks, keypoints = kind == "masks", kind == "keypoints"
            for rule in ("coco", "even_odd"):
                columns, index = read_truths(annotated, masks=masks, keypoints=keypoints, rule=rule)
            rows = [
                {"image_id": 1, "category_id": 1, "score": 0.5, "keypoints": _POINTS, "segmentation": runs}
                | ({"bbox": [1.0, 1.0, 5.0, 4.0]} if kind == "boxes" else {})  # otherwise the box is made
                for _ in range(2)
            ]
            found = found_in(rows, index, masks=masks, keypoints=keypoints)
            write_found(results, found, index)
            found = read_found(results, index, masks=masks, keypoints=keypoints)  # masks as COCO's strings
            for rules in ("coco", "pycocotools"):
                coco(columns, found, rules, kind, sigmas=(0.05, 0.05))
            yield f"evaluation of {kind}"
