"""The command line with SSDs: other programs' weights, and what is said of those that do not fit."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import numpy as np
from PIL import Image

from minidet import nn
from minidet.cli import main
from minidet.models import build
from minidet.weights import safetensors


class Evil:
    def __reduce__(self):
        return os.system, ("echo",)


def pth(path, what):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(what, protocol=2))
    return path


def test_a_pickle_that_calls_is_refused_naming_what(tmp_path, refused):
    line = refused("detect", "a.png", "--model", "ssd300", "--weights", pth(tmp_path / "x.pth", {"a": Evil()}))
    assert "x.pth: it wants to call " in line
    assert ".system; nothing of the file was run" in line


def test_files_of_other_networks_are_refused(tmp_path, refused):
    detect = ("detect", "a.png", "--model", "ssd300", "--weights")
    assert "there are no tensors by name" in refused(*detect, pth(tmp_path / "x.pth", {"a": 1}))
    assert "none.pth: " in refused(*detect, tmp_path / "none.pth")
    safetensors.save(tmp_path / "x.safetensors", {"backbone.scale_weight": np.ones(512, "f4")})
    line = refused("detect", "a.png", "--model", "ssd-small", "--weights", tmp_path / "x.safetensors")
    assert "weights of torchvision's ssd300_vgg16; give --model ssd300" in line
    line = refused(*detect, tmp_path / "x.safetensors")
    assert "x.safetensors does not fit: missing backbone.extra.0.1.bias, " in line
    assert refused(*detect, "x.weights", "--epsilon", "opencv").endswith("no batch norm of Darknet's\n")


def test_a_file_of_names_of_another_number(tmp_path, refused):
    (tmp_path / "names").write_text("cat\n")
    safetensors.save(tmp_path / "x.safetensors", {"head.classification_head.module_list.0.bias": np.ones(12, "f4")})
    line = refused("detect", "a.png", "--model", "ssd300", "--weights", tmp_path / "x.safetensors", "--names",
                   tmp_path / "names")  # fmt: skip
    assert "expected 2 names, one for each class of ssd300, found 1" in line


def test_a_small_ssd_detects(tmp_path, capsys):
    with nn.init.skipped():
        model = build("ssd-small", classes=3, size=(64, 128), width=1 / 16)
    state = {name: np.full(a.shape, 0.01, a.dtype) for name, a in model.state_dict().items()}
    state["logits.3.bias"] = np.tile(np.array([0, 0, 4, 0], "f4"), 4)  # of the second thing, everywhere on one map
    about = {"model": "ssd-small", "size": "64x128", "options": json.dumps({"width": 1 / 16}),
             "names": json.dumps(["a", "b", "c"])}  # fmt: skip
    safetensors.save(tmp_path / "x.safetensors", state, metadata=about)
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    network = ["--model", "ssd-small", "--weights", str(tmp_path / "x.safetensors")]
    assert main(["detect", str(tmp_path / "a.png"), *network, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["names"] == ["a", "b", "c"]
    assert {one["name"] for one in found["images"][0]["detections"]} == {"b"}


def drawn(tmp_path):
    """A data set of one picture with two things, in YOLO's format."""
    (tmp_path / "set").mkdir()
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "set/a.png")
    (tmp_path / "set/a.txt").write_text("0 0.3 0.3 0.2 0.2\n1 0.7 0.6 0.4 0.5\n")
    (tmp_path / "set/classes.txt").write_text("cat\ndog\n")
    return tmp_path / "set"


def test_assignments_of_an_ssd(tmp_path, capsys):
    words = ["data", "assign", str(drawn(tmp_path)), "--model", "ssd-small", "--size", "64"]
    assert (
        main([*words, "--set", "forced=bipartite", "--set", "threshold=1.0", "--out", str(tmp_path / "o"), "--json"])
        == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "o/assignments.json").read_text())
    assert document["settings"] == {"forced": "bipartite", "threshold": 1.0}
    (image,) = document["images"]
    assert [row["name"] for row in image["truths"]] == ["cat", "dog"]
    assert [row["truth"] for row in image["positives"]] == [0, 1]
    assert all(row["forced"] for row in image["positives"])
    assert len(image["mined"]) == 6
    assert Image.open(tmp_path / "o/a-assigned.png").size[0] > 4 * 320
    assert main([*words, "--rows", "1"]) == 0
    shown = capsys.readouterr().out
    assert "truths: 2, the first 1" in shown
    assert "mined: " in shown


def test_assignments_are_of_boxes_on_the_input(tmp_path, capsys):
    """A picture of 64 x 64 on an input of 128 x 192."""
    words = ["data", "assign", str(drawn(tmp_path)), "--model", "ssd-small", "--size", "128x192", "--json"]
    assert main(words) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    np.testing.assert_allclose(image["truths"][0]["bounds"], [0.2 * 192, 0.2 * 128, 0.4 * 192, 0.4 * 128], atol=0.002)


def test_assignments_of_a_yolo(tmp_path, capsys):
    assert main(["data", "assign", str(drawn(tmp_path)), "--model", "yolov3-shapes", "--size", "64", "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert [row["name"] for row in image["answers"]] == ["cat", "dog"]


def test_wrong_questions_about_assignments_are_one_line(tmp_path, refused):
    where = drawn(tmp_path)
    words = ("data", "assign", where, "--model", "ssd-small", "--size", 64)
    assert "found 'all'" in refused(*words, "--set", "forced=all")
    assert "--set often: the loss has no such option; there are threshold, forced, " in refused(
        *words, "--set", "often=3"
    )
    assert "expected NAME=VALUE" in refused(*words, "--set", "forced")
    assert "--rows from 1" in refused(*words, "--rows", 0)
    assert "no model is named 'ssd-smal'; " in refused("data", "assign", where, "--model", "ssd-smal")
    safetensors.save(tmp_path / "x.safetensors", build("ssd-small", classes=2, size=64, rng=0),
                     metadata={"model": "ssd-small", "size": "64x64", "names": json.dumps(["cat", "cow"])})  # fmt: skip
    assert "the network has no class dog" in refused(*words, "--weights", tmp_path / "x.safetensors")
