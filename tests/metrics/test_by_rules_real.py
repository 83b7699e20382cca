"""The evaluator by rules on published samples: COCO's twelve numbers, and a sample of VOC's average precision."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from support.drawn_columns import found_columns, truth_columns
from support.realdata import data

from minidet.metrics.by_rules import evaluate
from minidet.metrics.columns import FoundColumns, TruthColumns, as_columns
from minidet.metrics.rules import RULES

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR", "ARs", "ARm", "ARl"]


@pytest.fixture(scope="module")
def coco() -> tuple[TruthColumns, FoundColumns]:
    """COCO's sample: annotations of 100 images and made-up detections."""
    truths = json.loads(data("coco_eval/instances_val2014_100.json").read_text())
    found = json.loads(data("coco_eval/cocoapi_results/instances_val2014_fakebbox100_results.json").read_text())
    images = {number: i for i, number in enumerate(sorted(image["id"] for image in truths["images"]))}
    labels = {row["id"]: k for k, row in enumerate(truths["categories"])}
    rows = truths["annotations"]
    columns = as_columns(
        image=[images[a["image_id"]] for a in rows],
        label=[labels[a["category_id"]] for a in rows],
        boxes=[a["bbox"] for a in rows],
        area=[a["area"] for a in rows],
        crowd=[a["iscrowd"] for a in rows],
        difficult=[False for a in rows],
        ids=[a["id"] for a in rows],
    )
    results = [(images[f["image_id"]], labels[f["category_id"]], f["bbox"], f["score"]) for f in found]
    return TruthColumns(len(images), len(labels), **columns), found_columns(results)


@pytest.mark.parametrize("name", ["coco", "pycocotools"])
def test_the_published_numbers_of_coco_to_the_printed_digit(coco, name):
    text = data("coco_eval/cocoapi_results/val2014_fake_eval_res.txt").read_text()
    published = re.findall(r"\] = (\S+)", text.split("type=bbox")[1].split("type=keypoints")[0])
    assert len(published) == 12
    twelve = evaluate(*coco, RULES[name]).twelve()
    assert [f"{twelve[n]:.3f}" for n in NAMES] == published


def voc() -> tuple[TruthColumns, FoundColumns]:
    """The VOC sample: 7 images, 15 truths and 24 detections of one class; boxes x y w h in pixels."""
    truths, found = [], []
    for i in range(7):
        for line in data(f"voc_eval/groundtruths/0000{i + 1}.txt").read_text().splitlines():
            truths.append({"image": i, "label": 0, "box": [float(v) for v in line.split()[1:]]})
        for line in data(f"voc_eval/detections/0000{i + 1}.txt").read_text().splitlines():
            if line.strip():
                score, *box = [float(v) for v in line.split()[1:]]
                found.append((i, 0, box, score))
    assert (len(truths), len(found)) == (15, 24)
    return truth_columns(truths, images=7, classes=1), found_columns(found)


@pytest.mark.parametrize(
    ("name", "percent"),
    [  # the first two are what its authors publish, for an IoU of .3
        ("voc2012", "24.57"),
        ("voc2007", "26.84"),
        ("voc2012-exclusive", "22.54"),
        ("voc2007-exclusive", "26.84"),
    ],
)
def test_the_published_numbers_of_the_voc_sample(name, percent):
    ap = evaluate(*voc(), replace(RULES[name], thresholds=(0.3,))).ap()
    assert f"{100 * ap:.2f}" == percent


def test_the_pixel_convention_is_seen_on_the_sample_where_an_iou_lies_between():
    truths, found = voc()
    inclusive, exclusive = (
        [evaluate(truths, found, replace(RULES[name], thresholds=(t / 100,))).ap() for t in range(5, 100, 5)]
        for name in ("voc2012", "voc2012-exclusive")
    )
    assert np.all(np.array(inclusive) >= exclusive), "a pixel more on every side makes these IoUs no smaller"
    assert inclusive != exclusive
