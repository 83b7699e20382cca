"""`minidet eval explain`: a table and a document whose parts add up."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from minidet.cli import main


@pytest.fixture
def recorded(tmp_path) -> list[str]:
    """A COCO file of ten truths in a row and results: seven right, the fourth a little off, and one wrong."""
    boxes = [[20.0 * i, 0.0, 10.0, 10.0] for i in range(10)]
    truths = {
        "images": [{"id": 3, "file_name": "a.png", "width": 200, "height": 20}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": n, "image_id": 3, "category_id": 1, "bbox": box, "area": 100.0, "iscrowd": 0}
            for n, box in enumerate(boxes, 1)
        ],
    }
    found = [{"image_id": 3, "category_id": 1, "bbox": box, "score": 0.9 - n / 50} for n, box in enumerate(boxes[:7])]
    found[3]["bbox"] = [60.0, 0.0, 10.0, 7.0]
    found.append({"image_id": 3, "category_id": 1, "bbox": [150.0, 0.0, 5.0, 5.0], "score": 0.1})
    (tmp_path / "truths.json").write_text(json.dumps(truths))
    (tmp_path / "found.json").write_text(json.dumps(found))
    return ["--data", str(tmp_path / "truths.json"), "--detections", str(tmp_path / "found.json")]


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    status = main(["eval", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def document(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    return json.loads(ran(capsys, *arguments, "--json"), parse_float=Decimal)


def score(capsys: pytest.CaptureFixture[str], rules: str, recorded: list[str]) -> float:
    return json.loads(ran(capsys, *recorded, "--rules", rules, "--json"))["numbers"]["AP"]


@pytest.mark.parametrize("how", [[], ["--shapley"]])
@pytest.mark.parametrize(
    ("a", "b"), [("coco", "pycocotools"), ("voc2012", "voc2007-exclusive"), ("yolov5", "ultralytics")]
)
def test_the_parts_add_up_to_the_difference_of_what_eval_says(capsys, recorded, a, b, how) -> None:
    said = document(capsys, "explain", a, b, *recorded, *how)
    assert sum(part["part"] for part in said["parts"]) == said["difference"] == said["b"]["value"] - said["a"]["value"]
    for side, rules in (("a", a), ("b", b)):
        assert said[side]["rules"] == rules
        assert float(said[side]["value"]) == pytest.approx(score(capsys, rules, recorded), abs=1e-12)
    assert said["order"] == ("mean over all orders" if how else "as listed")


def test_the_cause_is_named(capsys, recorded) -> None:
    said = document(capsys, "explain", "coco", "pycocotools", *recorded, "--number", "AP50")
    parts = {part["cause"]: part["part"] for part in said["parts"]}
    assert list(parts) == ["zero id", "thresholds", "precision", "recall bins"]
    assert float(parts.pop("recall bins")) == pytest.approx(-1 / 101, abs=1e-12), "7 of 10 misses its own bin"
    assert set(parts.values()) == {0}
    assert said["parts"][-1]["a"] == "exact"
    assert said["parts"][-1]["b"] == "float"


def test_the_figures_of_the_table_add_up(capsys, recorded) -> None:
    out = ran(capsys, "explain", "coco", "voc2007", *recorded)
    figures = [Decimal(text) for text in re.findall(r"[+-]?\d\.\d{5}", out)]
    start, *parts, end, total = figures
    assert len(parts) == 9
    assert start + sum(parts) == end
    assert total == end - start
    for word in ("pixel convention", "match rule", "interpolation", "recall bins", "by coco", "by voc2007"):
        assert word in out
    assert "0.5 0.55 ... 0.95" in out


def test_two_that_do_not_differ_and_changes_of_both(capsys, recorded) -> None:
    assert document(capsys, "explain", "coco", "coco", *recorded)["parts"] == []
    said = document(capsys, "explain", "coco", "voc2012", *recorded, "--set", "thresholds=0.5", "--set", "limit=7")
    assert "thresholds" not in {part["field"] for part in said["parts"]}
    assert "limit" not in {part["field"] for part in said["parts"]}
    assert said["changes"] == ["thresholds=0.5", "limit=7"]


def test_wrong_options(refused, recorded) -> None:
    assert "explain mine: not known; expected one of coco" in refused("eval", "explain", "coco", "mine", *recorded)
    assert "--number mAP: not known; expected one of AP" in refused(
        "eval", "explain", "coco", "voc2007", *recorded, "--number", "mAP"
    )
    assert "AP75 is at an IoU of 0.75" in refused("eval", "explain", "coco", "voc2007", *recorded, "--number", "AP75")
    assert "--data PATH is needed" in refused("eval", "explain", "coco", "voc2007", *recorded[2:])
    assert "expected --detections FILE" in refused("eval", "explain", "coco", "voc2007", *recorded[:2])
    assert "required: B" in refused("eval", "explain", "coco", *recorded)
