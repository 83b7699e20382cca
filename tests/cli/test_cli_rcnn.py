"""`minidet detect` and `minidet explain` with R-CNNs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from minidet.cli import main
from minidet.models import build
from minidet.weights import safetensors


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A photograph, and weights of a small network as `minidet train` writes them."""
    folder = tmp_path_factory.mktemp("rcnn")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3)).astype("u1")
    Image.fromarray(pixels).save(folder / "a.png")
    options = {"width": 1 / 16, "keypoints": 2, "most": 9}
    model = build("mask-rcnn-r18-fpn-small", classes=3, size=(64, 96), rng=0, **options)
    rng = np.random.default_rng(0)
    for part, std in ((model.rpn.head.cls_logits, 0.5), (model.roi_heads.box_predictor.cls_score, 0.5)):
        part.weight.data[...] = rng.normal(0, std, part.weight.shape)
    about = {"model": "mask-rcnn-r18-fpn-small", "size": "64x96", "names": json.dumps(["x", "y", "z"])}
    safetensors.save(folder / "x.safetensors", model, metadata=about | {"options": json.dumps(options)})
    return folder


def ran(capsys, *arguments):
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_detect_writes_masks_and_keypoints(place, tmp_path, capsys):
    network = ("--model", "mask-rcnn-r18-fpn-small", "--weights", place / "x.safetensors", "--score", "0.3")
    status, out, err = ran(capsys, "detect", place / "a.png", *network, "--json", "--out", tmp_path / "found")
    assert status == 0, err
    document = json.loads(out)
    (image,) = document["images"]
    assert len(image["detections"]) > 1
    assert document["settings"]["nms"] == 0.5
    for one in image["detections"]:
        assert one["mask"]["size"] == [40, 70]
        assert len(one["keypoints"]) == 2
        assert one["name"] in "xyz"
    assert (tmp_path / "found/a-detected.png").exists()
    _, layers, _ = ran(capsys, "detect", place / "a.png", *network, "--json", "--layers")
    (same,) = json.loads(layers)["images"]
    assert [one["label"] for one in same["detections"]] == [one["label"] for one in image["detections"]]


def test_explain_writes_every_stage(place, tmp_path, capsys):
    network = ("--model", "mask-rcnn-r18-fpn-small", "--weights", place / "x.safetensors", "--score", "0.3")
    status, out, err = ran(capsys, "explain", place / "a.png", *network, "--out", tmp_path / "stages")
    assert status == 0, err
    files = sorted(path.name for path in (tmp_path / "stages").iterdir())
    assert len(files) == 13
    assert files[0] == "01-input.png"
    assert files[-1] == "13-objects.png"
    assert [line.split()[0] for line in out.splitlines()] == files
    assert Image.open(tmp_path / "stages/13-objects.png").size == (70, 40)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", "a.png", "--model", "ssd-small", "--weights", "no.safetensors", "--out", "o"), "no.safetensors"),
        (
            ("explain", "b.png", "--model", "mask-rcnn-r18-fpn-small", "--weights", "x.safetensors", "--out", "o"),
            "b.png",
        ),
        (("explain", "a.png", "--model", "mask-rcnn-r18-fpn-small", "--weights", "x.safetensors"), "--out"),
        (
            ("detect", "a.png", "--model", "mask-rcnn-r18-fpn-small", "--weights", "x.safetensors", "--letterbox"),
            "not for R-CNNs",
        ),
        (
            ("detect", "a.png", "--model", "mask-rcnn-r50-fpn", "--weights", "x.safetensors"),
            "give --model mask-rcnn-r18-fpn-small",
        ),
    ],
)
def test_what_is_wrong_is_one_line(place, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(place)
    status, out, err = ran(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err
    assert not (place / "o").exists()


def test_only_networks_of_two_stages_are_explained(place, tmp_path, capsys):
    network = ("--model", "ssd-small", "--weights", tmp_path / "s.safetensors")
    options = {"model": "ssd-small", "options": json.dumps({"width": 1 / 16})}
    safetensors.save(tmp_path / "s.safetensors", build("ssd-small", classes=80, width=1 / 16, rng=0), metadata=options)
    status, _, err = ran(capsys, "explain", place / "a.png", *network, "--out", tmp_path / "o")
    assert status == 2
    assert "no proposals to explain" in err


def test_plan_and_facts_know_them(capsys):
    status, out, err = ran(capsys, "plan", "mask-rcnn-r18-fpn-small", "--size", "64", "--repeats", "1", "--json")
    assert status == 0, err
    assert len(json.loads(out)["steps"]) > 30
    status, out, err = ran(capsys, "facts", "mask-rcnn-r18-fpn-small", "--size", "64x96", "--json", "--classes", "4")
    assert status == 0, err
    found = json.loads(out)
    assert (found["classes"], found["classes.with_nothing"]) == (3, 4)
    cells = sum(-(-64 // s) * -(-96 // s) for s in (4, 8, 16, 32, 64))
    assert found["boxes"] == 3 * cells
