"""The fast evaluator in quirk mode against pycocotools: every number of its arrays, on drawn data."""

from __future__ import annotations

import contextlib
import copy
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.masks import to_coco
from support.drawn_columns import columns
from support.drawn_masks import with_keypoints, with_masks

from minidet.metrics.coco import coco, rules_for
from minidet.metrics.columns import FoundColumns, TruthColumns

pytestmark = pytest.mark.oracle
TYPES = {"boxes": "bbox", "masks": "segm", "keypoints": "keypoints"}


def rows(columns: TruthColumns | FoundColumns, images: int) -> list[dict[str, Any]]:
    """What truths and detections have in common, as COCO's files have it."""
    masks = [iter(to_coco(one)) for one in columns.masks] if columns.masks else None
    out = []
    for i in range(len(columns.image)):
        image = int(columns.image[i])
        row: dict[str, Any] = {"image_id": image, "category_id": int(columns.label[i])}
        if masks:
            row["segmentation"] = next(masks[image])
        elif columns.keypoints is not None:
            row["keypoints"] = columns.keypoints[i].reshape(-1).tolist()
        if not masks and (columns.keypoints is None or isinstance(columns, TruthColumns)):
            row["bbox"] = columns.boxes[i].tolist()
        out.append(row)
    return out


def pycocotools(truths: TruthColumns, found: FoundColumns, kind: str, **params: Any) -> Any:
    """COCO's own program, its ``eval`` and ``stats`` filled."""
    api = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    annotations = rows(truths, truths.images)
    for i, row in enumerate(annotations):
        row |= {"id": int(truths.ids[i]), "area": float(truths.area[i]), "iscrowd": int(truths.crowd[i])}
        if truths.keypoints is not None:
            row["num_keypoints"] = int((truths.keypoints[i, :, 2] > 0).sum())
    results = [
        row | {"score": float(score)} for row, score in zip(rows(found, truths.images), found.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = api.COCO()
        reference.dataset = {
            "images": [{"id": i, "height": 12, "width": 12} for i in range(truths.images)],
            "categories": [{"id": k} for k in range(truths.classes)],
            "annotations": annotations,
        }
        reference.createIndex()
        evaluation = cocoeval.COCOeval(reference, reference.loadRes(copy.deepcopy(results)), TYPES[kind])
        for name, value in params.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def compare(truths: TruthColumns, found: FoundColumns, kind: str, limits: tuple[int, ...] | None = None) -> None:
    if not len(found.image):
        return  # it cannot read empty results
    rules = rules_for("pycocotools", kind)
    if limits:
        rules = replace(rules, limit=limits[-1])
    report = coco(truths, found, rules, kind)
    theirs = pycocotools(truths, found, kind, **({"maxDets": list(limits)} if limits else {}))
    for name in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(report, name), theirs.eval[name], err_msg=name)
    if not limits:
        np.testing.assert_array_equal(report.stats(), theirs.stats)


@given(columns())
@settings(max_examples=150)
def test_boxes(case):
    compare(*case, "boxes")


@given(columns(images=2, classes=1))
def test_limits_of_detections(case):
    compare(*case, "boxes", (1, 2, 2))
    truths, found = case
    many = [np.repeat(getattr(found, name), 40, axis=0) for name in ("image", "label", "boxes", "scores")]
    compare(truths, FoundColumns(*many), "boxes")


@given(columns(), st.data())
@settings(max_examples=80)
def test_masks(case, data):
    compare(*with_masks(data.draw, *case), "masks")


@given(columns(classes=2), st.data())
@settings(max_examples=80)
def test_keypoints(case, data):
    compare(*with_keypoints(data.draw, *case), "keypoints")


@given(columns())
def test_the_exact_rules_differ_only_by_the_named_quirks(case):
    """COCO's program with exact thresholds and annotations numbered from 1: what is left is bins and epsilon."""
    truths, found = case
    if not len(found.image):
        return
    truths = replace(truths, ids=truths.ids + 1)
    rules = replace(rules_for("coco"), recall_bins="float", precision="epsilon")
    theirs = pycocotools(truths, found, "boxes", iouThrs=np.array(rules.thresholds))
    np.testing.assert_array_equal(coco(truths, found, rules).precision, theirs.eval["precision"])
