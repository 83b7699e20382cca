"""Mask R-CNN from a data set to its score: trained, resumed bit for bit, measured, evaluated by the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from minidet_kernels.masks import areas, bounds, decode, encode
from PIL import Image

from minidet.cli import main
from minidet.data.dataset import Objects, Record
from minidet.data.formats import read_dataset
from minidet.errors import InputError
from minidet.metrics.coco import coco
from minidet.metrics.found_regions import mask_runs, region_results
from minidet.metrics.from_dataset import truth_columns
from minidet.train import assemble, config
from minidet.train.feed import DrawnDataset
from minidet.train.measure_regions import RegionScore, regions_in
from minidet.train.rcnn import TERMS
from minidet.train.trainer import Trainer

TINY = {
    "run": {"steps": 4},
    "model": {
        "name": "mask-rcnn-r18-fpn-small", "size": 64,
        "options": {"width": 1 / 32, "anchors": [8, 16, 24, 32, 48], "before": [40, 40], "after": [20, 20]},
    },
    "data": {"path": "shapes:6:4", "batch": 2, "workers": 0},
    "augment": {"steps": [{"name": "horizontal_flip"}, {"name": "crop", "share": [0.7, 1.0]}]},
    "loss": {"options": {"anchors": 16, "boxes": 8}},
    "optimiser": {"kind": "adamw", "lr": 0.01},
    "evaluate": {"every": 2, "best": "mask_ap"},
    "keep": {"checkpoint": 0.0, "plots": False},
}  # fmt: skip


def trainer(folder, **changes):
    settings = config.from_dict({**TINY, **changes})
    folder.mkdir(exist_ok=True)
    return Trainer(assemble.parts_of(settings, assemble.open_splits(settings)), folder)


def state_of(run):
    return {name: a.copy() for name, a in run.parts.model.state_dict().items()}


def test_a_run_and_the_same_cut_short(tmp_path):
    """Sampling goes on where it was: the parameters are the same, bit for bit."""
    whole = trainer(tmp_path / "whole")
    whole.run()
    assert set(whole.state.score) >= {"ap50", "ap", "mask_ap50", "mask_ap"}
    cut = trainer(tmp_path / "cut")
    cut.parts.steps = 2
    cut.run()
    again = trainer(tmp_path / "cut")
    again.resume()
    again.run()
    for name, array in state_of(whole).items():
        np.testing.assert_array_equal(state_of(again)[name], array, err_msg=name)
    assert any((state_of(cut)[name] != array).any() for name, array in state_of(whole).items())


def test_it_learns(tmp_path):
    """Of two pictures, seen again and again, every part of the loss gets smaller."""
    run = trainer(tmp_path, data={"path": "shapes:2:1", "batch": 2, "workers": 0}, augment={"preset": "none"},
                  optimiser={"kind": "adamw", "lr": 0.004})  # fmt: skip
    (batch,) = [next(run.parts.feed.since(0))]
    history = []
    run.parts.model.train()
    for _ in range(25):
        history.append({k: v.item() for k, v in _step(run, batch).items()})
    first, last = ({k: np.mean([h[k] for h in part]) for k in history[0]} for part in (history[:5], history[-5:]))
    assert set(history[0]) == set(TERMS) - {"keypoint"}
    assert sum(last.values()) < 0.75 * sum(first.values())
    assert last["mask"] < first["mask"]
    assert last["objectness"] < first["objectness"]


def _step(run, batch):
    from minidet.autograd import Tensor

    run.parts.model.zero_grad()
    terms = run.parts.loss.step(Tensor(batch.inputs), batch.truths).terms
    sum(terms.values(), start=Tensor(np.zeros((), np.float32))).backward()
    run.parts.optimiser.set_lr(0.004)
    run.parts.optimiser.step()
    return terms


def test_settings_that_do_not_fit():
    def made(**changes):
        return assemble.parts_of(*(lambda s: (s, assemble.open_splits(s)))(config.from_dict({**TINY, **changes})))

    for changes, said in (
        ({"loss": {"options": {"boxs": 3}}}, "loss.options.*boxs"),
        ({"loss": {"label_smoothing": 0.1}}, "label_smoothing"),
        ({"model": {**TINY["model"], "anchors": "auto"}}, "model.anchors.*one size a level"),
        ({"model": {"name": "yolov3-shapes", "size": 32, "options": {"width": 2}}, "loss": {}}, "has no masks"),
    ):
        with pytest.raises(InputError, match=said):
            made(**changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures with bright squares, a mask for each; two squares of the first overlap, the last has none."""
    root = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    corners = {"a": [(4, 6), (14, 16), (40, 30)], "b": [(10, 40)], "c": []}
    for name, places in corners.items():
        (root / name / "masks").mkdir(parents=True)
        (root / name / "images").mkdir()
        image = rng.integers(0, 60, (64, 64, 3)).astype(np.uint8)
        for k, (x, y) in enumerate(places):
            mask = np.zeros((64, 64), np.uint8)
            mask[y : y + 16, x : x + 14] = 255
            image[mask > 0] = 200
            Image.fromarray(mask).save(root / name / f"masks/{k}.png")
        Image.fromarray(image).save(root / name / f"images/{name}.png")
    (root / "train.txt").write_text("a\nb\nc\n")
    return root


def test_train_then_eval_by_the_command_line(tmp_path, folder, capsys):
    places = {"path": str(folder), "train": "train[:2]", "val": "train[1:]", "batch": 2, "workers": 0}
    settings = config.from_dict({**TINY, "run": {"steps": 2}, "augment": {"preset": "none"}, "data": places})
    config.write(tmp_path / "squares.toml", settings)
    assert main(["train", str(tmp_path / "squares.toml"), "--out", str(tmp_path / "run")]) == 0
    weights = str(tmp_path / "run/last.safetensors")
    network = ["--model", "mask-rcnn-r18-fpn-small", "--weights", weights, "--score", "0"]
    capsys.readouterr()
    for kind in ("masks", "boxes"):
        assert main(["eval", "--data", str(folder), "--split", "train[1:]", "--kind", kind, *network, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["kind"] == kind
        assert document["data"]["images"] == 2
        assert 0 <= document["numbers"]["AP50"] <= 1
    assert main(["eval", "--data", str(folder), "--kind", "keypoints", *network]) == 2
    assert "keypoints" in capsys.readouterr().err


def test_results_of_truths_score_one(folder):
    """The truths' own runs as results, in COCO's format and back: mask AP is 1, whatever the order of classes."""
    dataset = read_dataset(folder)
    rows = [
        {"image_id": record.id, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5, "segmentation": mask}
        for record in dataset
        for mask in to_json(record.objects.masks)
    ]
    found = region_results(rows, dataset, masks=True)
    report = coco(truth_columns(dataset), found, kind="masks")
    assert report.ap() == 1.0
    named = replace(dataset, names=("object", "other"), category_ids=(9, 3))
    swapped = region_results([{**row, "category_id": 9} for row in rows], named, masks=True)
    assert set(swapped.label.tolist()) == {0}
    with pytest.raises(InputError, match=r"results: result 1.*segmentation"):
        region_results([rows[0], {**rows[1], "segmentation": None}], dataset, masks=True)


def to_json(runs):
    from minidet_kernels.masks import to_coco

    return json.loads(json.dumps(to_coco(runs)))


@pytest.mark.parametrize("rule", ["torchvision", "detectron2"])
@pytest.mark.parametrize("count", [0, 3, 70])
def test_runs_of_masks_are_those_of_whole_pictures(rule, count):
    """Some at a time; boxes over the edge, without extent and outside too."""
    from minidet.boxes.paste import paste

    rng = np.random.default_rng(count)
    low = rng.integers(-10, 40, (count, 2)).astype(np.float32)
    boxes = np.concatenate([low, low + rng.integers(0, 30, (count, 2)).astype(np.float32)], axis=1)
    masks = rng.random((count, 28, 28)).astype(np.float32)
    runs = mask_runs(masks, boxes, (32, 48), rule=rule)
    assert runs.size == (32, 48)
    whole = paste(masks, boxes, (32, 48), rule=rule)
    np.testing.assert_array_equal(decode(runs), whole > 0.5 if rule == "torchvision" else whole >= 0.5)


def test_half_a_pixel_is_a_masks_by_one_rule(folder):
    half, box = np.full((1, 28, 28), 0.5, np.float32), np.array([[0.0, 0, 28, 28]], np.float32)
    assert areas(mask_runs(half, box, (28, 28), rule="torchvision")).sum() == 0
    assert bounds(mask_runs(half, box, (28, 28), rule="detectron2")).tolist() == [[0, 0, 28, 28]]


def test_regions_are_in_the_pictures_pixels(tmp_path, folder):
    """A picture is measured as it is, whatever the batch; masks have its size."""
    run = trainer(tmp_path, data={"path": str(folder), "train": "train", "val": "train", "batch": 2, "workers": 0})
    model, dataset = run.parts.model.eval(), read_dataset(folder)
    together = list(regions_in(model, dataset, order=[2, 0, 1], batch=2))
    alone = [next(regions_in(model, dataset, order=[i])) for i in (2, 0, 1)]
    assert [i for i, _, _ in together] == [2, 0, 1]
    for (_, one, masks), (_, other, others) in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-4, atol=1e-3)
        assert len(masks) == len(others) == len(one.boxes)
        assert masks.size == (64, 64)
        assert one.boxes.min(initial=0) >= 0
        assert one.boxes.max(initial=0) <= 64
    score = run.parts.measure(model)
    assert isinstance(score, RegionScore)
    assert 0 <= score.mask_ap <= score.mask_ap50 <= 1
    assert score.truths == 4
    assert encode(np.zeros((0, 2, 2), bool)).size == (2, 2)


def test_a_batch_of_several_sizes_changes_nothing(tmp_path):
    """What would be put around the smaller picture is seen at its edges; so it goes through the network alone."""
    run = trainer(tmp_path)
    rng = np.random.default_rng(3)
    pictures = tuple(
        rng.integers(0, 255, (h, w, 3)).astype(np.uint8) for h, w in ((64, 64), (64, 64), (40, 64), (64, 64))
    )
    none = Objects(np.zeros((0, 4)), np.zeros(0, np.int64))
    records = tuple(Record(str(i), image.shape[:2], i, none) for i, image in enumerate(pictures))
    dataset = DrawnDataset(tmp_path, ("a",), records, images=pictures)
    model = run.parts.model.eval()
    together, alone = (list(regions_in(model, dataset, batch=batch)) for batch in (8, 1))
    assert [i for i, _, _ in together] == [0, 1, 2, 3]
    for (_, one, _), (_, other, _) in zip(together, alone, strict=True):
        assert len(one.boxes) > 0
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-4, atol=1e-3)
