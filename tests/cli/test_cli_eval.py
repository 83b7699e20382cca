"""`minidet eval`: numbers, tables, JSON, files; recorded results and a network's; what is refused."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.realdata import data

from minidet.cli import main
from minidet.data.image import load_image
from minidet.metrics.rules import RULES

BOXES = {1: [[2.0, 3.0, 20.0, 15.0], [30.0, 10.0, 12.0, 12.0]], 2: [[1.0, 1.0, 10.0, 20.0]]}


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """Standard output and error of a run that must succeed."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out, err


@pytest.fixture
def scene(place) -> Any:
    """`place` with a COCO file `truths.json` on its two pictures, and results `found.json`: two right, one wrong."""
    annotations = [
        {"id": n, "image_id": image, "category_id": 7, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for n, (image, box) in enumerate([(i, b) for i, boxes in BOXES.items() for b in boxes], 1)
    ]
    document = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 60, "height": 40},
            {"id": 2, "file_name": "b.jpg", "width": 20, "height": 30},
        ],
        "categories": [{"id": 7, "name": "thing"}, {"id": 9, "name": "other"}],
        "annotations": annotations,
    }
    (place.folder / "truths.json").write_text(json.dumps(document))
    found = [
        {"image_id": 1, "category_id": 7, "bbox": BOXES[1][0], "score": 0.9},
        {"image_id": 2, "category_id": 7, "bbox": [0.0, 12.0, 5.0, 5.0], "score": 0.8},
        {"image_id": 2, "category_id": 7, "bbox": BOXES[2][0], "score": 0.7},
    ]
    (place.folder / "found.json").write_text(json.dumps(found))
    place.data = ["--data", str(place / "truths.json"), "--images", str(place / "photos")]
    place.recorded = [*place.data, "--detections", str(place / "found.json")]
    return place


AP = (34 + 33 * 2 / 3) / 101  # precision 1 up to a recall of 1/3, then 2/3 up to 2/3


def test_recorded_results_as_json(scene, capsys) -> None:
    out, err = ran(capsys, "eval", *scene.recorded, "--json")
    assert err == ""
    document = json.loads(out)
    assert document["numbers"]["AP"] == document["numbers"]["AP50"] == pytest.approx(AP, abs=1e-15)
    assert document["numbers"]["APl"] is None
    assert document["numbers"]["AR1"] == pytest.approx(1 / 3)
    assert document["numbers"]["AR"] == pytest.approx(2 / 3)
    assert document["rules"]["name"] == "coco"
    assert document["rules"]["thresholds"] == list(RULES["coco"].thresholds)
    thing, other = document["classes"]
    assert (thing["name"], thing["truths"], thing["detections"], thing["ap"]) == (
        "thing",
        3,
        3,
        document["numbers"]["AP"],
    )
    assert (other["truths"], other["ap"]) == (0, None)
    counts = document["counts"]
    assert (counts["score"], counts["right"], counts["wrong"], counts["missed"]) == (0.7, 2, 1, 1)
    assert counts["f1"] == pytest.approx(2 / 3)
    assert document["confusion"] == [[2, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert document["data"]["images"] == 2


def test_tables(scene, capsys) -> None:
    out, err = ran(capsys, "eval", *scene.recorded)
    assert err == ""
    assert f"{AP:.4f}" in out
    assert "thing" in out
    assert "other" not in out, "a class with neither truths nor detections has no row"
    assert "a score of at least 0.7: precision 0.6667, recall 0.6667, F1 0.6667 (2 right, 1 wrong, 1 missed)" in out
    (scene.folder / "found.json").write_text("[]")
    assert "no detection is right at any score" in ran(capsys, "eval", *scene.recorded)[0]


def test_rules_and_changes(scene, capsys) -> None:
    def ap(*arguments: str) -> float:
        return json.loads(ran(capsys, "eval", *scene.recorded, "--json", *arguments)[0])["numbers"]["AP"]

    assert ap("--rules", "voc2012") == pytest.approx(1 / 3 + 2 / 9)
    assert ap("--rules", "voc2007") == pytest.approx((4 + 3 * 2 / 3) / 11)
    assert ap("--set", "interpolation=all") == pytest.approx(1 / 3 + 2 / 9)
    assert ap("--set", "score_floor=0.75") == pytest.approx(34 / 101)
    assert ap("--set", "limit=1") == pytest.approx(34 / 101)
    assert ap("--set", "limit=none", "--set", "thresholds=0.5,0.6") == pytest.approx(AP)
    assert ap("--set", 'areas={"tiny": [0, 250]}') == pytest.approx(0.5 * 51 / 101), "144 and 200 pixels, one found"


def test_at_a_score(scene, capsys) -> None:
    document = json.loads(ran(capsys, "eval", *scene.recorded, "--json", "--at", "0.85")[0])
    assert document["counts"]["score"] == 0.85
    assert (document["counts"]["right"], document["counts"]["wrong"], document["counts"]["missed"]) == (1, 0, 2)
    assert document["confusion"] == [[1, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_truths_without_area_are_dropped_and_counted_when_asked(scene, capsys) -> None:
    document = json.loads((scene / "truths.json").read_text())
    document["annotations"].append(
        {"id": 9, "image_id": 1, "category_id": 7, "bbox": [5.0, 5.0, 0.0, 4.0], "area": 0.0, "iscrowd": 0}
    )
    (scene / "truths.json").write_text(json.dumps(document))
    counted = json.loads(ran(capsys, "eval", *scene.recorded, "--json")[0])
    dropped = json.loads(ran(capsys, "eval", *scene.recorded, "--json", "--zero-area", "drop")[0])
    assert (counted["dropped"], counted["classes"][0]["truths"]) == (0, 4)
    assert (dropped["dropped"], dropped["classes"][0]["truths"]) == (1, 3)
    assert dropped["numbers"]["AP"] == pytest.approx(AP)
    assert "1 truth was dropped" in ran(capsys, "eval", *scene.recorded, "--zero-area", "drop")[0]


def test_out_holds_everything(scene, capsys) -> None:
    pytest.importorskip("matplotlib")
    out, err = ran(capsys, "eval", *scene.recorded, "--json", "--out", scene.out)
    assert err == f"minidet: wrote the results to {scene.out}\n"
    files = sorted(path.name for path in scene.out.iterdir())
    assert files == ["confusion.png", "detections.json", "metrics.json", "pr.png"]
    assert json.loads((scene.out / "metrics.json").read_text()) == json.loads(out)
    assert json.loads((scene.out / "detections.json").read_text()) == json.loads((scene / "found.json").read_text())
    for name in ("pr.png", "confusion.png"):
        pixels = load_image(scene.out / name)
        assert np.unique(pixels.reshape(-1, 3), axis=0).shape[0] > 10, "something is drawn"


def test_plots_without_matplotlib(scene, capsys, refused, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = refused("eval", *scene.recorded, "--out", scene.out)
    assert "pip install 'minidet[plots]'" in line
    assert "--no-plots" in line
    ran(capsys, "eval", *scene.recorded, "--out", scene.out, "--no-plots")
    assert sorted(path.name for path in scene.out.iterdir()) == ["detections.json", "metrics.json"]


def test_a_network_is_run_and_its_results_score_the_same_again(scene, capsys) -> None:
    text = (scene / "truths.json").read_text().replace(', {"id": 9, "name": "other"}', "")
    (scene / "truths.json").write_text(text)  # the network has one class, without a name
    network = [*scene.network[:4], "--score", "0.05"]
    arguments = ["eval", *scene.data, *network, "--json", "--set", "thresholds=0.1"]
    out, err = ran(capsys, *arguments, "--no-plots", "--out", scene.out)
    assert err.endswith(f"wrote the results to {scene.out}\n")
    first = json.loads(out)
    found = json.loads((scene.out / "detections.json").read_text())
    assert len(found) > 10
    assert {row["category_id"] for row in found} == {7}
    assert {row["image_id"] for row in found} == {1, 2}
    assert first["source"]["score"] == 0.05
    assert first["numbers"]["AR"] > 0
    recorded = ["--detections", scene.out / "detections.json"]
    again = json.loads(ran(capsys, "eval", *scene.data, *recorded, "--json", "--set", "thresholds=0.1")[0])
    for key in ("numbers", "classes", "counts", "confusion"):
        assert again[key] == first[key]


def test_classes_are_known_by_name(scene, capsys, refused) -> None:
    (scene.folder / "names").write_text("other\n")
    network = [*scene.network[:4], "--score", "0.05", "--names", str(scene / "names")]
    ran(capsys, "eval", *scene.data, *network, "--no-plots", "--out", scene.out)
    assert {row["category_id"] for row in json.loads((scene.out / "detections.json").read_text())} == {9}
    (scene.folder / "names").write_text("zebra\n")
    assert "the network's classes (zebra" in refused("eval", *scene.data, *network)
    assert "(class 0" in refused("eval", *scene.data, *scene.network[:4]), "two classes, and one without a name"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rules", "mine"], "--rules mine: not known; expected one of coco, "),
        (["--set", "match"], "--set match: expected FIELD=VALUE"),
        (["--set", "mach=best"], "expected FIELD=VALUE with one of the fields thresholds"),
        (["--set", "match=bets"], "match is one of free, best"),
        (["--set", "thresholds=half"], "--set thresholds=half: expected numbers"),
        (["--set", "thresholds=50"], "thresholds are IoUs"),
        (["--set", "limit=many"], "--set limit=many: expected a whole number or none"),
        (["--set", "areas=all"], "--set areas=all: expected JSON"),
        (["--set", "areas={}"], "areas are"),
        (["--at", "2"], "--at"),
        (["--model", "yolov3"], "leave out the network"),
        (["--format", "pascal"], "--format"),
    ],
)
def test_wrong_options(scene, refused, arguments, said) -> None:
    assert said in refused("eval", *scene.recorded, *arguments, "--out", scene.out)


def test_missing_options(scene, refused) -> None:
    assert "--data PATH is needed" in refused("eval", "--detections", scene / "found.json")
    assert "expected --detections FILE, or a network" in refused("eval", *scene.data)
    assert "--weights FILE is needed for" in refused("eval", *scene.data, *scene.network[:2])


ROW = {"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "malformed JSON"),
        ('{"a": 1}', "expected COCO results, a JSON list"),
        ("[1]", "expected COCO results, a JSON list"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps([ROW, {**ROW, "image_id": 5}]), "result 1: image_id 5 is no image of the annotations"),
        (json.dumps([{**ROW, "image_id": [1]}]), "result 0: image_id must be a whole number, found [1]"),
        (json.dumps([{**ROW, "category_id": 8}]), "result 0: category_id 8 is no category of the annotations"),
        (json.dumps([{**ROW, "score": "high"}]), 'result 0: score must be a number, found "high"'),
        (json.dumps([{**ROW, "score": math.nan}]), "result 0: score must be finite, found NaN"),
        (json.dumps([{**ROW, "bbox": [1, 2, 3]}]), "result 0: bbox must be [x, y, width, height]"),
        (json.dumps([{"image_id": 1}]), "result 0: category_id must be a whole number, found none"),
    ],
)
def test_wrong_results(scene, refused, text: str, said: str) -> None:
    (scene.folder / "found.json").write_text(text)
    line = refused("eval", *scene.recorded, "--out", scene.out)
    assert said in line
    assert "found.json" in line


def test_wrong_files(scene, refused) -> None:
    assert "none.json" in refused("eval", *scene.data, "--detections", scene / "none.json")
    assert "cannot be read" in refused("eval", *scene.data, "--detections", scene.folder)
    assert "nowhere" in refused("eval", "--data", scene / "nowhere", "--detections", scene / "found.json")
    (scene.folder / "bytes.json").write_bytes(b"\xff\xfe[]")
    assert "expected JSON in UTF-8" in refused("eval", *scene.data, "--detections", scene / "bytes.json")


def test_the_published_numbers_of_coco_by_command(capsys) -> None:
    truths = data("coco_eval/instances_val2014_100.json")
    found = data("coco_eval/cocoapi_results/instances_val2014_fakebbox100_results.json")
    out, _ = ran(capsys, "eval", "--data", truths, "--detections", found, "--json", "--rules", "pycocotools")
    numbers = json.loads(out)["numbers"]
    published = "0.505 0.697 0.573 0.586 0.519 0.501 0.387 0.594 0.595 0.640 0.566 0.564"
    assert " ".join(f"{value:.3f}" for value in numbers.values()) == published


def test_the_published_numbers_of_masks_by_command(capsys) -> None:
    truths = data("coco_eval/instances_val2014_100.json")
    found = data("coco_eval/cocoapi_results/instances_val2014_fakesegm100_results.json")
    recorded = ["eval", "--data", truths, "--detections", found, "--kind", "masks"]
    document = json.loads(ran(capsys, *recorded, "--json")[0])
    published = "0.320 0.562 0.299 0.387 0.310 0.327 0.268 0.415 0.417 0.469 0.377 0.381"
    assert " ".join(f"{value:.3f}" for value in document["numbers"].values()) == published
    out, _ = ran(capsys, *recorded)
    assert "masks" in out
    assert f"{document['classes'][0]['ap']:.4f}" in out


def test_keypoints_of_recorded_results(scene, capsys, refused) -> None:
    """Of one person with two keypoints, the detection is on both, and the other detection is far away."""
    truths = json.loads((scene.folder / "truths.json").read_text())
    truths["categories"] = [{"id": 7, "name": "person", "keypoints": ["nose"] * 17}]
    points = [10, 12, 2] * 17
    truths["annotations"] = [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [2, 3, 40, 40], "area": 1600, "iscrowd": 0,
         "keypoints": points, "num_keypoints": 17}
    ]  # fmt: skip
    (scene.folder / "truths.json").write_text(json.dumps(truths))
    found = [
        {"image_id": 1, "category_id": 7, "keypoints": [x + shift for x in points], "score": score}
        for shift, score in ((0, 0.9), (100, 0.8))
    ]
    (scene.folder / "found.json").write_text(json.dumps(found))
    recorded = [*scene.recorded, "--kind", "keypoints"]
    assert "rules with match 'best' are not COCO's" in refused("eval", *recorded, "--rules", "voc2007")
    numbers = json.loads(ran(capsys, "eval", *recorded, "--json")[0])["numbers"]
    assert list(numbers) == ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"]
    assert numbers["AP"] == numbers["APm"] == 1
    assert numbers["APl"] is None


def test_masks_and_keypoints_are_recorded_in_cocos_files(scene, refused) -> None:
    for kind in ("masks", "keypoints"):
        assert "--detections" in refused("eval", *scene.data, "--kind", kind)
        assert "truths.json: annotation 0" in refused("eval", *scene.recorded, "--kind", kind)
    assert "--out" in refused("eval", *scene.recorded, "--kind", "masks", "--out", scene.out)


def test_numbers_of_a_coco_file_are_taken_as_they_stand(scene, capsys) -> None:
    """Of x = .1 and a width of .2, x + width - x is another number: an IoU of 1 would be a little less."""
    truths = json.loads((scene.folder / "truths.json").read_text())
    truths["annotations"] = truths["annotations"][:1]
    truths["annotations"][0]["bbox"] = box = [0.1, 0.1, 0.2, 0.2]
    assert 0.1 + 0.2 - 0.1 != 0.2
    (scene.folder / "truths.json").write_text(json.dumps(truths))
    found = [{"image_id": 1, "category_id": 7, "bbox": box, "score": 1.0}]
    (scene.folder / "found.json").write_text(json.dumps(found))
    out, _ = ran(capsys, "eval", *scene.recorded, "--json", "--set", "thresholds=1")
    assert json.loads(out)["numbers"]["AP"] == 1


def test_voc_by_command(capsys, tmp_path: Path) -> None:
    root = data("bccd")
    (tmp_path / "none.json").write_text("[]")
    out, _ = ran(
        capsys, "eval", "--data", root, "--split", "val", "--detections", tmp_path / "none.json", "--json",
        "--zero-area", "drop",
    )  # fmt: skip
    document = json.loads(out)
    assert {row["name"]: row["truths"] for row in document["classes"]} == {"Platelets": 83, "RBC": 967, "WBC": 87}
    assert document["dropped"] == 1
    assert document["numbers"]["AP"] == 0
    assert document["counts"]["score"] is None
