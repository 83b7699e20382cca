"""The evaluator by rules against pycocotools, on drawn data."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from support.drawn_columns import columns

from minidet.metrics.by_rules import evaluate
from minidet.metrics.columns import FoundColumns, TruthColumns
from minidet.metrics.rules import RULES

pytestmark = pytest.mark.oracle


def pycocotools(truths: TruthColumns, found: FoundColumns, **params: object) -> tuple[np.ndarray, np.ndarray]:
    """Precision as AP for each (threshold, class, area), and the twelve numbers, of COCO's own program."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    annotations = [
        {
            "id": int(truths.ids[i]),
            "image_id": int(truths.image[i]),
            "category_id": int(truths.label[i]),
            "bbox": truths.boxes[i].tolist(),
            "area": float(truths.area[i]),
            "iscrowd": int(truths.crowd[i]),
        }
        for i in range(len(truths.image))
    ]
    results = [
        {
            "image_id": int(found.image[i]),
            "category_id": int(found.label[i]),
            "bbox": found.boxes[i].tolist(),
            "score": float(found.scores[i]),
        }
        for i in range(len(found.image))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco.COCO()
        reference.dataset = {
            "images": [{"id": i} for i in range(truths.images)],
            "categories": [{"id": k} for k in range(truths.classes)],
            "annotations": annotations,
        }
        reference.createIndex()
        evaluation = cocoeval.COCOeval(reference, reference.loadRes(results), "bbox")
        for name, value in params.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., -1]  # (T, R, K, A)
    return precision.mean(axis=1), evaluation.stats


@given(columns())
@settings(max_examples=150)
def test_every_number_is_that_of_pycocotools(case):
    truths, found = case
    if not len(found.image):
        return  # it cannot read empty results
    report = evaluate(truths, found, RULES["pycocotools"])
    ap, twelve = pycocotools(truths, found)
    for a, (area, *_) in enumerate(report.rules.areas):
        for t in range(10):
            for k in range(truths.classes):
                ours = report.precisions.get((area, t, k))
                assert (-1.0 if ours is None else float(ours)) == pytest.approx(ap[t, k, a], abs=1e-12)
    ours = np.nan_to_num(np.array(list(report.twelve().values())), nan=-1.0)
    np.testing.assert_allclose(ours, twelve, rtol=0, atol=1e-12)


@given(columns(images=2, classes=1))
@settings(max_examples=60)
def test_a_small_limit_is_that_of_pycocotools(case):
    truths, found = case
    if not len(found.image):
        return
    report = evaluate(truths, found, replace(RULES["pycocotools"], limit=2))
    ap, _ = pycocotools(truths, found, maxDets=[1, 2, 2])
    ours = [float(report.precisions.get(("all", t, 0), -1)) for t in range(10)]
    np.testing.assert_allclose(ours, ap[:, 0, 0], rtol=0, atol=1e-12)


@given(columns())
@settings(max_examples=60)
def test_the_exact_rules_differ_only_by_the_named_quirks(case):
    """COCO's program with exact thresholds, and annotations whose number is not 0: what is left is bins and epsilon."""
    truths, found = case
    if not len(found.image):
        return
    truths = replace(truths, ids=truths.ids + 1)
    quirks = {"recall_bins": "float", "precision": "epsilon"}
    report = evaluate(truths, found, replace(RULES["coco"], **quirks))
    _, twelve = pycocotools(truths, found, iouThrs=np.array(RULES["coco"].thresholds))
    ours = np.nan_to_num(np.array(list(report.twelve().values())), nan=-1.0)
    np.testing.assert_allclose(ours, twelve, rtol=0, atol=1e-12)


def test_thresholds_are_those_of_the_programs():
    torch = pytest.importorskip("torch")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    assert RULES["torchmetrics"].thresholds == tuple(torch.linspace(0.5, 0.95, 10).tolist())
    assert RULES["pycocotools"].thresholds == tuple(cocoeval.Params("bbox").iouThrs.tolist())
