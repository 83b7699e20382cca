"""The demo with shipped weights: what it draws, writes, prints and returns."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidet import cli, demo_shipped
from minidet.data.image import load_image
from minidet.data.shapes import NAMES
from minidet.detections import Detections
from minidet.errors import InputError

SIDE, GAP = 288, 6


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new"
    return folder, demo_shipped.show(folder, seed=3, count=4)


def test_it_finds_shapes_and_writes_all_its_files(written):
    folder, status = written
    assert status == 0
    assert sorted(p.name for p in folder.iterdir()) == sorted(demo_shipped.FILES)
    picture = load_image(folder / "detections.png")
    assert picture.shape == (SIDE + 2 * GAP, 4 * (SIDE + GAP) + GAP, 3)
    told = json.loads((folder / "detections.json").read_text())
    assert (told["weights"], told["seed"], len(told["scenes"])) == ("shapes", 3, 4)
    assert sum(len(s["truths"]) for s in told["scenes"]) >= 8


def test_the_seed_decides_the_scenes_and_they_differ_from_seed_to_seed(written, tmp_path):
    assert demo_shipped.show(tmp_path / "again", seed=3, count=1) in (0, 1)
    demo_shipped.show(tmp_path / "other", seed=4, count=1)
    first = (written[0] / "scene.png").read_bytes()
    assert (tmp_path / "again/scene.png").read_bytes() == first
    assert (tmp_path / "other/scene.png").read_bytes() != first


def test_without_a_seed_the_scenes_are_new_and_their_seed_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo_shipped.time, "time_ns", lambda: 1_234_567_000_000)
    assert cli.main(["demo", "--out", str(tmp_path)]) in (0, 1)
    out = capsys.readouterr().out
    assert "scenes of --seed 234567" in out
    assert "minidet detect" in out
    assert "--model shapes" in out


@pytest.mark.parametrize("weights", ["shapes-ssd", "shapes-mask-rcnn"])
def test_other_networks_find_shapes_too(weights, tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path), "--model", weights, "--seed", "3"]) == 0
    assert f"--model {weights}" in capsys.readouterr().out
    told = json.loads((tmp_path / "detections.json").read_text())
    assert told["weights"] == weights
    masks = ["mask" in one for scene in told["scenes"] for one in scene["found"]["detections"]]
    assert masks
    assert all(masks) if "mask" in weights else not any(masks)
    side = 128 * demo_shipped.FINER
    assert load_image(tmp_path / "detections.png").shape == (2 * (side + GAP) + GAP, 4 * (side + GAP) + GAP, 3)


def test_a_detection_is_right_when_it_is_of_the_class_and_overlaps():
    scene = demo_shipped.fresh_scenes(demo_shipped.Config(seed=5), count=1)[0]
    boxes, labels = scene.boxes / demo_shipped.FINER, scene.labels

    def found(boxes, labels):
        n = len(labels)
        return Detections(boxes.astype(np.float32), np.full(n, 0.9, np.float32), labels, NAMES, (96, 96))

    assert demo_shipped.hits(found(boxes, labels), scene) == len(labels)
    assert demo_shipped.hits(found(np.repeat(boxes, 2, axis=0), np.repeat(labels, 2)), scene) == len(labels)
    assert demo_shipped.hits(found(boxes, (labels + 1) % 5), scene) < len(labels)
    assert demo_shipped.hits(found(boxes[:0], labels[:0]), scene) == 0


def test_a_network_that_finds_nothing_is_said_to_have_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_shipped, "SCORE", 0.9999)
    assert demo_shipped.show(tmp_path, seed=3, count=2) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "3"], "--steps: is of training; give --train too"),
        (["--seed", "-1"], "--seed: a number from 0"),
        (["--train", "--model", "shapes-ssd"], "--model: is of shipped weights"),
        (["--model", "blood-cells"], "invalid choice: 'blood-cells'"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, says, capsys):
    assert cli.main(["demo", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="expected a folder"):
        demo_shipped.show(tmp_path / "file")
