"""The demo on a few scenes and steps: what it writes, prints and returns.  `make demo` is the whole of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidet import demo
from minidet.data.shapes import NAMES
from minidet.errors import InputError
from minidet.models import build
from minidet.weights import safetensors

SMALL = demo.Config(scenes=6, held_out=4, steps=3, batch=2, warmup=1, floor=0.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "out"
    return folder, demo.run(folder, SMALL)


def test_it_writes_all_its_files_and_nothing_else(written):
    folder, status = written
    assert status == 0
    assert sorted(p.name for p in folder.iterdir()) == sorted(demo.FILES)


def test_the_weights_are_the_model(written):
    folder, _ = written
    model = build("yolov3-shapes", classes=len(NAMES), rng=1)
    before = model.state_dict()["stem.conv.weight"].copy()
    safetensors.load(folder / "weights.safetensors", model)
    assert not np.array_equal(before, model.state_dict()["stem.conv.weight"])
    config = json.loads((folder / "config.json").read_text())
    assert config["seed"] == 0
    assert config["classes"] == list(NAMES)
    _, held_out = demo.draw_scenes(SMALL, _console())
    metrics = json.loads((folder / "metrics.json").read_text())
    assert demo.measure(model.eval(), held_out, SMALL).mean == pytest.approx(metrics["ap50"], abs=1e-6)
    assert len(metrics["loss"]) == 3
    assert sum(metrics["truths"].values()) == sum(len(s.labels) for s in held_out)


def test_the_picture_is_a_sheet_of_scenes(written):
    from minidet.data.image import load_image

    picture = load_image(written[0] / "detections.png")
    side, gap = 3 * SMALL.size, 6
    assert picture.shape == (2 * (side + gap) + gap, 4 * (side + gap) + gap, 3)
    assert (picture[:gap] == 255).all()
    assert picture[gap : gap + side, gap : gap + side].std() > 5


def test_a_network_that_has_not_learned_is_said_to_have_failed(tmp_path, capsys):
    status = demo.run(tmp_path, demo.Config(**{**vars(SMALL), "steps": 2, "floor": 0.9}))
    assert status == 1
    out, err = capsys.readouterr()
    assert "has not learned" in err
    assert "below 0.9" in err
    assert "mean" in out
    assert f"wrote {tmp_path / 'weights.safetensors'}" in out
    assert "training 1/2" in err or "training 2/2" in err, "progress goes to standard error"


def test_a_folder_that_cannot_be_is_refused_before_anything_is_done(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(InputError, match="expected a folder"):
        demo.run(taken, SMALL)
    assert taken.read_text() == "mine"


def test_held_out_scenes_are_not_those_trained_on():
    training, held_out = demo.draw_scenes(SMALL, _console())
    assert not {s.image.tobytes() for s in training} & {s.image.tobytes() for s in held_out}
    assert (len(training), len(held_out)) == (6, 4)


def _console():
    import io

    from rich.console import Console

    return Console(file=io.StringIO())
