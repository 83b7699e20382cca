"""The kept trajectories are what the code gives, and their bands are narrow enough to notice a change."""

from __future__ import annotations

import numpy as np
import pytest
from golden_trajectories import BAND, FOLDER, MODELS, RULES, STEPS, TWO_STAGES, differences, export, read, run

from minidet.models import NAMES
from minidet.nn import BatchNorm2d

#: How many of the steps are taken here; `python -m tests.golden_trajectories --check` takes all.
CHECKED = {
    "yolov3": 3,
    "yolov3-spp": 3,
    "yolov3-tiny": 12,
    "yolov3-small": 12,
    "yolov3-shapes": 25,
    "tiny.cfg": STEPS,
    "ssd300": 2,
    "ssd512": 1,
    "ssd-small": 12,
    "ssd-mobilenet": 6,
    "ultraface-rfb-320": 3,
    "ultraface-slim-320": 3,
}


def test_every_model_has_a_trajectory():
    assert set(NAMES) - TWO_STAGES <= set(MODELS)
    assert set(NAMES) >= TWO_STAGES
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MODELS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MODELS)
def test_the_code_follows_it(name, rule):
    golden = read(name)["trajectories"][rule]
    assert len(golden["loss"]) == STEPS
    found = run(name, RULES[rule], steps=CHECKED[name])
    where, most = max(differences(golden, found), key=lambda pair: pair[1])
    assert most <= BAND, where


@pytest.mark.parametrize("rule", RULES)
def test_float32_stays_in_its_wider_band(rule):
    golden = read("yolov3-tiny")["trajectories"][rule]
    found = run("yolov3-tiny", RULES[rule], dtype=np.float32, steps=12)
    for where, difference in differences(golden, found):
        assert difference <= golden["float32"].get(where.split()[0], 1.0), where


@pytest.mark.parametrize(
    "change", ["momentum of batch norm", "decay of everything", "learning rate", "a shorter warm-up", "ignore"]
)
def test_a_small_change_leaves_the_band(change, monkeypatch):
    import golden_trajectories as golden

    rule = RULES["sgd"]
    if change == "momentum of batch norm":
        before = BatchNorm2d.__init__
        monkeypatch.setattr(BatchNorm2d, "__init__", lambda self, *a, **k: before(self, *a, **{**k, "momentum": 0.11}))
    elif change == "decay of everything":
        monkeypatch.setattr(golden, "decay_groups", lambda model, decay: [{"params": model.parameters()}])
    elif change == "learning rate":
        rule = golden.Rule(rule.optimiser, {**rule.options, "lr": rule.options["lr"] * 1.001}, rule.loss)
    elif change == "a shorter warm-up":
        monkeypatch.setattr(golden, "WARMUP", 4)
    else:
        rule = golden.Rule(rule.optimiser, rule.options, {"ignore": 0.4})
    kept = read("yolov3-shapes")["trajectories"]["sgd"]
    steps = STEPS if "of " in change else 20  # what batch norm keeps and what decays shows at the end
    worst = max(difference for _, difference in differences(kept, golden.run("yolov3-shapes", rule, steps=steps)))
    assert worst > 10 * BAND


def test_what_is_exported_begins_the_run(tmp_path):
    path = export("yolov3-shapes", tmp_path)
    with np.load(path) as file:
        assert file["images"].shape == (12, 64, 64, 3)
        assert file["images"].dtype == np.uint8
        assert file["order"].shape == (50, 4)
        assert len(file["truth_boxes"]) == len(file["truth_labels"]) == len(file["truth_scene"]) > 12
        assert ((file["truth_boxes"] >= 0) & (file["truth_boxes"] <= 1)).all()
        initial = [file[name] for name in file.files if name.startswith("initial/")]
        filters = [file[n] for n in file.files if n.startswith("initial/") and n.endswith(("weight", "bias"))]
    norm = float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in filters)))
    assert norm == pytest.approx(read("yolov3-shapes")["trajectories"]["sgd"]["weights"][0], rel=1e-9)
    assert len(initial) > len(filters), "running statistics too"
