"""`minidet train`: what it writes, and that what is wrong is said in one line with nothing written."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
from support.realdata import data
from support.tiny_run import settings

from minidet.cli import main
from minidet.data.image import load_image
from minidet.train import config, logs, trainer
from minidet.weights import safetensors


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with `run.toml` in it, where the command is given."""
    monkeypatch.chdir(tmp_path)
    config.write("run.toml", settings(run__steps=3))
    return tmp_path


def train(*arguments):
    return main(["train", *map(str, arguments)])


def test_a_run_and_what_it_leaves(here, capsys):
    assert train("run.toml", "--out", "run", "--set", "keep.plots=true", "--lr", "0.02", "--seed", 3) == 0
    out, err = capsys.readouterr()
    names = {p.name for p in (here / "run").iterdir()}
    assert names == {
        "config.toml", "versions.json", "log.jsonl", "classes.names", trainer.CHECKPOINT, trainer.BEST, trainer.LAST,
        "loss.png", "ap.png",
    }  # fmt: skip
    for name in names - {"versions.json"}:
        assert f"wrote run/{name}" in out
    assert "circle" in out
    assert "mean over IoU .5 to .95" in out
    assert "training 3/3" in err
    made = config.read(here / "run/config.toml")
    assert (made.optimiser.lr, made.run.seed, made.run.steps) == (0.02, 3, 3)
    assert tomllib.loads((here / "run/config.toml").read_text())["model"]["size"] == [32, 32]
    assert json.loads((here / "run/versions.json").read_text())["numpy"] == np.__version__
    rows = logs.read(here / "run/log.jsonl")
    assert [row["kind"] for row in rows] == ["step", "step", "step", "evaluation"]
    assert rows[0].keys() == {"kind", "step", "loss", "lr", "gradient", "seconds"}
    assert rows[3]["truths"] > 0
    assert load_image(here / "run/loss.png").shape[2] == 3
    # The weights are found to be of this network, with these names.
    image = here / "run/loss.png"
    line = [
        "detect",
        image,
        "--layers",
        "--model",
        "yolov3-shapes",
        "--weights",
        here / "run/best.safetensors",
        "--score",
        "0",
    ]
    assert main([*map(str, line), "--json"]) == 0
    assert '"circle"' in capsys.readouterr().out
    about = safetensors.metadata(here / "run/best.safetensors")
    assert float(about["ap50"]) == pytest.approx(rows[3]["ap50"], abs=1e-6)


def test_a_finished_run_may_be_resumed_and_nothing_changes(here, capsys):
    assert train("run.toml", "--out", "run") == 0
    before = {p.name: p.read_bytes() for p in (here / "run").iterdir()}
    assert train("--resume", "run") == 0
    assert train("run.toml", "--resume", "run", "--set", "keep.checkpoint=5.0", "--set", "data.workers=1") == 0
    assert {p.name: p.read_bytes() for p in (here / "run").iterdir()} == before


def test_without_a_file(here, capsys):
    words = ["model.options.width=2", "run.steps=1", "augment.preset=none", "keep.plots=false", "data.val="]
    given = [part for word in words for part in ("--set", word)]
    status = train(
        "--model", "yolov3-shapes", "--data", "shapes:4", "--size", "32", "--batch", 2, "--anchors", "auto", *given
    )
    assert status == 0
    out = capsys.readouterr().out
    assert "train-out/best.safetensors" in out
    assert "AP" not in out, "nothing was measured"


def test_a_run_that_learns(here, capsys):
    """Fifty steps on eight scenes: the loss falls to less than half."""
    assert train(
        "run.toml", "--out", "run", "--data", "shapes:8:2", "--size", 48, "--batch", 8,
        "--set", "model.options.width=8", "--set", "run.steps=50", "--set", "augment.preset=none",
        "--set", "augment.steps=[]", "--set", "optimiser.kind=adamw", "--set", "evaluate.every=50",
        "--set", "keep.checkpoint=99.0",
    ) == 0  # fmt: skip
    rows = [row for row in logs.read(here / "run/log.jsonl") if row["kind"] == "step"]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


# What is wrong.


@pytest.fixture
def wrong(here, refused):
    """Run the command; the one line."""
    return lambda *arguments: refused("train", *arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.toml"], "none.toml: cannot be read: No such file"),
        (["run.toml", "--set", "optimizer.lr=1"], "there is no table [optimizer]; did you mean optimiser?"),
        (["run.toml", "--set", "optimiser.rl=1"], "there is no setting optimiser.rl"),
        (["run.toml", "--set", "run.precision=mixed"], "run.precision: 'mixed' is for a GPU"),
        (["run.toml", "--epochs", "0"], "run.epochs: expected a number from 1, found 0"),
        (["run.toml", "--anchors", "3,4,5"], "--anchors 3,4,5: expected default, auto, or widths and heights"),
        (["run.toml", "--anchors", "3,4"], "model.anchors: expected 2 pairs, 1 + 1 for the heads, found 1"),
        (["run.toml", "--model", "yolo"], "no model is named 'yolo'"),
        (["run.toml", "--data", "here"], "here: "),
        (["run.toml", "--weights", "w.safetensors"], "w.safetensors: there is no such file"),
        (["run.toml", "--out", "a", "--resume", "b"], "not allowed with"),
        (["--resume", "nowhere"], "--resume nowhere: no run's folder: there is no config.toml"),
        (["run.toml", "--out", "run.toml"], "--out run.toml: expected a folder, found a file"),
        ([], "data.path: a data set is needed"),
    ],
)
def test_what_is_wrong(wrong, arguments, line):
    assert line in wrong(*arguments)


@pytest.fixture
def done(here):
    """A finished run in `run`."""
    assert train("run.toml", "--out", "run") == 0
    return here / "run"


def test_a_folder_that_holds_a_run(done, wrong):
    assert "holds a run already; go on with --resume run" in wrong("run.toml", "--out", "run")


def test_settings_changed_on_resuming_are_listed(done, wrong):
    line = wrong("--resume", "run", "--lr", "0.5", "--set", "loss.ignore=0.5", "--set", "keep.checkpoint=9.0")
    assert "the settings differ from the run's: loss.ignore (0.7 -> 0.5), optimiser.lr (0.01 -> 0.5)" in line
    assert "keep.checkpoint" not in line
    text = (done / "config.toml").read_text()
    (done / "config.toml").write_text(text.replace("momentum = 0.9", "momentum = 0.8"))
    assert "optimiser.momentum (0.9 -> 0.8)" in wrong("--resume", "run"), "the file itself was changed"


@pytest.mark.parametrize("content", [b"", b"half", None])
def test_a_checkpoint_that_is_none(done, wrong, content):
    path = done / trainer.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert "checkpoint.safetensors: not a whole checkpoint" in wrong("--resume", "run")


def test_a_damaged_checkpoint(done, wrong):
    path = done / trainer.CHECKPOINT
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    assert "damaged: its contents do not match its checksum" in wrong("--resume", "run")


def test_a_loss_that_is_no_number_leaves_the_checkpoint(here, capsys):
    arguments = ["run.toml", "--out", "run", "--set", "run.steps=60", "--lr", "1e12", "--set", "optimiser.clip_norm=0"]
    with np.errstate(all="ignore"):
        assert train(*arguments, "--set", "augment.steps=[]", "--set", "augment.preset=none") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("minidet: step ")
    assert "scene " in line
    assert "the last good checkpoint is run/checkpoint.safetensors" in line


def test_weights_of_another_network_are_not_detected_with(done, here, capsys):
    image = here / "photo.png"
    from PIL import Image

    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(image)
    capsys.readouterr()
    assert main(["detect", str(image), "--model", "yolov3", "--weights", str(done / "best.safetensors")]) == 2
    assert "weights of 'yolov3-shapes'; give --model yolov3-shapes" in capsys.readouterr().err


def test_on_real_blood_cells(here, capsys):
    """Two steps on BCCD: what the reader drops is said and counted, anchors are found, everything is measured."""
    bccd = data("bccd")
    arguments = ["run.toml", "--out", "run", "--data", bccd, "--anchors", "auto", "--size", 64]
    status = train(*arguments, "--set", "run.steps=2", "--set", "augment.steps=[]", "--set", "augment.preset=small")
    out, err = capsys.readouterr()
    assert status == 0
    for name in ("RBC", "WBC", "Platelets"):
        assert name in out
    assert "warning: train: 1 box without area dropped" in err
    assert "warning: val: 1 box without area dropped" in err
    last = logs.read(here / "run/log.jsonl")[-1]
    assert (last["truths"], last["dropped"]) == (967 + 87 + 83, 1)
    anchors = json.loads(safetensors.metadata(here / "run/last.safetensors")["anchors"])
    assert anchors[0][0] > anchors[1][0], "the larger one for the coarser head"


def test_annotations_that_are_malformed(here, wrong):
    folder = here / "voc"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    (folder / "Annotations/a.xml").write_text("<annotation>\n<object>\n</annotation>")
    for split in ("train", "val"):
        (folder / f"ImageSets/Main/{split}.txt").write_text("a\n")
    line = wrong("run.toml", "--data", "voc")
    assert "a.xml, line 3" in line


def test_what_weights_say_is_followed_or_refused(here, capsys):
    assert train("run.toml", "--out", "run", "--set", "data.placement=letterbox", "--set", "run.steps=1") == 0
    image, good = here / "p.png", here / "run/best.safetensors"
    from PIL import Image

    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(image)

    def detect(weights, *more):
        capsys.readouterr()
        arguments = ["detect", image, "--layers", "--json", "--model", "yolov3-shapes", "--weights", weights, *more]
        status = main([str(a) for a in arguments])
        return status, capsys.readouterr()

    status, said = detect(good)
    assert status == 0
    found = json.loads(said.out)
    assert (found["settings"]["placement"], found["network"]["height"]) == ("letterbox", 32)
    assert json.loads(detect(good, "--stretch", "--size", "64")[1].out)["settings"]["placement"] == "stretch"
    words, arrays = safetensors.metadata(good), safetensors.load(good)
    for change in ({"names": "["}, {"anchors": "[[[1]]]"}, {"anchors": "[]"}, {"options": '{"x": 1}'}, {"size": "big"}):
        safetensors.save(here / "bad.safetensors", arrays, metadata=words | change)
        status, said = detect(here / "bad.safetensors")
        assert status == 2, change
        assert said.err.startswith(f"minidet: {here / 'bad.safetensors'}: what it says of the network"), change
        assert said.err.count("\n") == 1
