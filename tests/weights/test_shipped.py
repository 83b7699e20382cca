"""The weights that come with the package are what their register says, and find what they were trained to find."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.realdata import data

from minidet import cli, demo
from minidet.data.image import load_image
from minidet.data.shapes import NAMES, ShapesDataset
from minidet.detect import detect
from minidet.errors import InputError
from minidet.train.feed import drawn
from minidet.train.measure_regions import measure_regions
from minidet.weights import safetensors, shipped

SHIPPED = tuple(shipped.registry())


def test_those_that_are_promised_are_there_and_small():
    assert {"shapes", "blood-cells", "shapes-ssd", "blood-cells-ssd", "shapes-mask-rcnn"} <= set(SHIPPED)
    assert sum(entry.path.stat().st_size for entry in shipped.registry().values()) < 13e6
    files = {path.name for path in shipped.HERE.glob("*.safetensors")}
    assert files == {entry.file for entry in shipped.registry().values()}


@pytest.mark.wheel
@pytest.mark.parametrize("name", SHIPPED)
def test_an_entry_is_of_its_file(name):
    entry = shipped.shipped(name)
    words = safetensors.metadata(shipped.checked(entry))
    assert (words["model"], tuple(json.loads(words["names"]))) == (entry.model, entry.classes)
    assert words["size"] == f"{entry.size[0]}x{entry.size[1]}"
    assert words["storage"] == "filters float16"
    assert all(entry.train)
    assert entry.evaluate
    assert {"machine", "minutes", "threads", "commit"} <= entry.run.keys()
    model = shipped.load(name)
    assert not model.training
    assert (model.size, model.classes) == (entry.size, len(entry.classes))
    if "anchors" in words:
        assert [[list(pair) for pair in head.anchors] for head in model.heads] == json.loads(words["anchors"])
    assert {a.dtype for a in model.state_dict().values()} == {np.dtype(np.float32)}


def test_a_name_that_is_not_known_is_told_what_there_is():
    with pytest.raises(InputError, match=r"there are shapes, blood-cells, .*; did you mean 'blood-cells'"):
        shipped.load("blood-cell")


def test_a_damaged_file_is_not_loaded(tmp_path, monkeypatch):
    entry = shipped.shipped("blood-cells")
    damaged = bytearray(entry.path.read_bytes())
    damaged[-1] ^= 1
    (tmp_path / entry.file).write_bytes(damaged)
    monkeypatch.setattr(shipped, "HERE", tmp_path)
    with pytest.raises(InputError, match="not the file that was shipped"):
        shipped.load("blood-cells")
    with pytest.raises(InputError, match="there is no such file"):
        shipped.checked(replace(entry, file="other.safetensors"))


@pytest.mark.wheel
@pytest.mark.parametrize("name", ["shapes", "shapes-ssd"])
def test_shapes_are_found_in_scenes_that_nobody_trained_on(name):
    entry = shipped.shipped(name)
    assert entry.classes == NAMES
    side = entry.size[0]
    scenes = list(ShapesDataset(300, seed=1, size=side))
    result = demo.measure(shipped.load(name), scenes, demo.Config(size=side))
    assert result.mean == pytest.approx(entry.score["ap50"], abs=1e-3)
    for shape, ap in zip(NAMES, result.ap, strict=True):
        assert ap == pytest.approx(entry.score[f"ap50 {shape}"], abs=3e-3)
    assert result.mean > 0.93


@pytest.mark.oracle  # a minute of one core
def test_masks_are_found_as_well_as_is_said():
    entry = shipped.shipped("shapes-mask-rcnn")
    scenes = drawn(ShapesDataset(150, seed=1, size=128), masks=True)
    score = measure_regions(shipped.load("shapes-mask-rcnn"), scenes)
    found = {"ap50": score.ap50, "ap": score.ap, "mask ap50": score.mask_ap50, "mask ap": score.mask_ap}
    assert found == pytest.approx(dict(entry.score), abs=3e-3)
    assert score.ap > 0.6
    assert score.mask_ap > 0.6


@pytest.mark.parametrize("name", ["shapes", "shapes-ssd", "shapes-mask-rcnn"])
def test_the_command_needs_no_weights_for_a_name_that_has_its_own(name, tmp_path, capsys):
    from PIL import Image

    scene = ShapesDataset(1, seed=77, size=192, noise=0.0)[0]
    Image.fromarray(scene.image).save(tmp_path / "scene.png")
    assert cli.main(["detect", str(tmp_path / "scene.png"), "--model", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told
    assert all(word in json.dumps(told) for word in {NAMES[int(label)] for label in scene.labels})


@pytest.mark.parametrize("name", ["blood-cells", "blood-cells-ssd"])
@pytest.mark.parametrize("size", [(480, 640), (333, 201), (1200, 1600)])
def test_cells_are_found_in_a_smear_of_any_size(size, name):
    from PIL import Image

    picture = Image.fromarray(load_image(data("bccd") / "JPEGImages/BloodImage_00000.jpg")).resize(size[::-1])
    found = detect(shipped.load(name), np.asarray(picture), names=shipped.shipped(name).classes)
    by_name = {cell: sum(found.name(label) == cell for label in found.labels.tolist()) for cell in ("RBC", "WBC")}
    assert 15 <= by_name["RBC"] <= 22, "19 are annotated"
    assert by_name["WBC"] == 1
    assert (found.boxes[:, 2:] <= [size[1], size[0]]).all()
    assert found.boxes[:, 2].max() > 0.9 * size[1], "boxes are in the picture's own pixels"


@pytest.mark.parametrize("name", ["blood-cells", "blood-cells-ssd"])
def test_eval_gives_the_stated_score(name, capsys):
    entry = shipped.shipped(name)
    words = [str(data("bccd")) if word == "bccd" else word for word in entry.evaluate.split()]
    assert words[:2] == ["minidet", "eval"]
    assert cli.main([*words[1:], "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    numbers = document["numbers"]
    assert numbers["AP50"] == pytest.approx(entry.score["ap50"], abs=1e-3)
    assert numbers["AP"] == pytest.approx(entry.score["ap"], abs=1e-3)
    assert entry.score["ap50"] >= 0.85
