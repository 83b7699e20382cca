"""SSDs learn: by heart, from files of either format by the authors' recipe, and from batches with nothing in them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.realdata import data
from support.tree import ROOT

from minidet import cli
from minidet.data.dataset import Dataset, Objects, Record
from minidet.data.formats import read_dataset, write_dataset
from minidet.data.shapes import NAMES, ShapesDataset
from minidet.demo import Config, measure
from minidet.models import build
from minidet.train import assemble
from minidet.train import config as settings
from minidet.train.batches import batches
from minidet.train.feed import drawn, learnable
from minidet.train.logs import JsonLines, read
from minidet.train.loop import fit
from minidet.train.multibox import MultiboxLoss
from minidet.train.optim import AdamW, decay_groups
from minidet.train.schedule import warmup_cosine
from minidet.train.trainer import Trainer
from minidet.train.truths import Truths
from minidet.weights import safetensors

RECIPE = ROOT / "recipes" / "ssd300-voc.toml"
SCENES = list(ShapesDataset(4, seed=6, size=64, noise=0.0, shapes=(2, 3), extent=(0.3, 0.55)))
SIZES = [16, 24, 34, 50, 64]
STRIDES = (8, 16, 32, 64)


def small(seed: int = 0):
    return build("ssd-small", classes=len(NAMES), size=64, width=0.25, sizes=SIZES, rng=seed)


def learned(steps: int, **options):
    model = small()
    losses = fit(
        model,
        MultiboxLoss(model.boxes, model.size, **options),
        batches(SCENES, 4, seed=0, augment=False),
        AdamW(decay_groups(model, 1e-4), lr=0.0),
        steps=steps,
        schedule=lambda step: warmup_cosine(step, total=steps, peak=0.01, warmup=10),
    )
    return model.eval(), losses


def test_four_scenes_are_learned_by_heart():
    assert measure(small().eval(), SCENES, Config(size=64)).mean < 0.2, "the measure tells what was not learned"
    model, losses = learned(50)
    assert losses[-1] < 0.2 * losses[0]
    assert measure(model, SCENES, Config(size=64)).mean > 0.9


NOTHING = Objects(np.zeros((0, 4)), np.zeros(0, np.int64))


def few(objects: list[Objects]) -> Dataset:
    """Drawn scenes, but with these objects in them."""
    made = drawn(ShapesDataset(len(objects), seed=1, size=128))
    records = [dataclasses.replace(r, objects=o) for r, o in zip(made.records, objects, strict=True)]
    return dataclasses.replace(made, records=tuple(records))


def run(folder: Path, pictures: Dataset, **loss) -> tuple[Trainer, list[float]]:
    """Six steps of one picture each, in turn, with its gradients clipped; the losses."""
    config = settings.from_dict({
        "run": {"steps": 6},
        "model": {"name": "ssd-small", "size": 128, "options": {"width": 0.125, "sizes": SIZES}},
        "data": {"path": "x", "batch": 1, "workers": 0, "val": ""},
        "augment": {"preset": "none"},
        "loss": {"options": loss},
        "optimiser": {"kind": "adamw", "lr": 0.01, "clip_norm": 1.0},
        "keep": {"plots": False},
    })  # fmt: skip
    folder.mkdir(exist_ok=True)
    parts = assemble.parts_of(config, assemble.Splits(NAMES, pictures, None))
    made = Trainer(parts, folder, logs=[JsonLines(folder / "log.jsonl")])
    made.run()
    return made, losses_of(folder)


def losses_of(folder: Path) -> list[float]:
    return [row["loss"] for row in read(folder / "log.jsonl") if row["kind"] == "step"]


def finite(made: Trainer) -> bool:
    arrays = [*made.parts.model.state_dict().values(), *made.parts.ema.state.values()]
    return all(np.isfinite(a).all() for a in arrays)


def test_pictures_with_nothing_in_them_cost_nothing_and_change_nothing_to_nan(tmp_path):
    some = Objects(np.array([[10.0, 10, 40, 42]]), np.array([2]))
    made, losses = run(tmp_path, few([some, NOTHING]))
    assert sorted(loss == 0 for loss in losses) == [False] * 3 + [True] * 3
    assert np.isfinite(losses).all()
    assert finite(made)


def test_a_run_without_any_truth_is_defined(tmp_path):
    made, losses = run(tmp_path / "none", few([NOTHING] * 2))
    assert losses == [0] * 6
    assert finite(made)
    made, losses = run(tmp_path / "some", few([NOTHING] * 2), fewest=8)
    assert losses[0] > losses[-1] > 0, "mined negatives teach that there is nothing"
    assert finite(made)


def test_truths_that_no_prior_answers_for_are_a_batch_without_positives(tmp_path):
    speck = Objects(np.array([[10.0, 10, 11, 11]]), np.array([0]))
    made, losses = run(tmp_path, few([speck, speck]), forced="none")
    assert losses == [0] * 6
    assert finite(made)
    made, losses = run(tmp_path / "forced", few([speck, speck]))
    assert min(losses) > 0
    assert finite(made)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Dataset:
    """Six pictures in files, of several sizes, the last of which shows nothing."""
    folder = tmp_path_factory.mktemp("pictures")
    records = []
    for i, scene in enumerate(ShapesDataset(6, seed=3, size=64)):
        h, w = 48 + 5 * i, 64 - 4 * (i % 3)
        image = Image.fromarray(scene.image).resize((w, h))
        image.save(folder / f"{i}.png")
        boxes = np.rint(scene.boxes * [w / 64, h / 64, w / 64, h / 64])
        keep = slice(0, 0 if i == 5 else None)
        records.append(Record(f"{i}.png", (h, w), i, Objects(boxes[keep].astype(float), scene.labels[keep])))
    return Dataset(folder, NAMES, tuple(records))


def parts_of_recipe(words: list[str]):
    config = settings.changed(settings.read(RECIPE), words)
    record = Record("a.png", (40, 60), 0, Objects(np.array([[10.0, 10, 30, 30]]), np.zeros(1, np.int64)))
    return assemble.parts_of(config, assemble.Splits(NAMES, Dataset(Path("."), NAMES, (record,)), None))


def test_the_recipe_is_the_authors():
    parts = parts_of_recipe(["data.path=x", "model.options.width=0.0625"])
    config = settings.read(RECIPE)
    assert (parts.steps, config.data.batch, parts.ema) == (120_000, 32, None)
    rates = [parts.rate(step) for step in (0, 79_999, 80_000, 99_999, 100_000, 119_999)]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-12)
    names = {id(p): name for name, p in parts.model.named_parameters()}
    seen = {}
    for group in parts.optimiser.groups:
        for p in group["params"]:
            seen[names[id(p)]] = (group["lr_factor"], group["weight_decay"])
    assert seen.keys() == set(names.values())
    for name, (factor, decay) in seen.items():
        bias = name.endswith(".bias")
        assert factor == (2 if bias else 1), name
        assert decay == (0 if bias or name.startswith("l2norm") else 5e-4), name


def take_steps(steps: int, folder: Path, out: Path) -> list[float]:
    """The recipe's losses on a data set, by a thin network, from the command line."""
    words = [f"run.steps={steps}", "data.batch=2", "data.workers=0", "data.val=trainval", "model.options.width=0.0625"]
    words += ["keep.plots=false", "optimiser.clip_norm=10"]
    arguments = ["train", str(RECIPE), "--data", str(folder), "--out", str(out), "--threads", "1"]
    assert cli.main(arguments + [part for word in words for part in ("--set", word)]) == 0
    assert any(row["kind"] == "evaluation" for row in read(out / "log.jsonl"))
    return losses_of(out)


@pytest.mark.parametrize("form", ["voc", "coco"])
def test_the_recipe_learns_from_nothing_on_data_of_either_format(form, pictures, tmp_path):
    write_dataset(pictures, tmp_path / "data", format=form, split="trainval")
    losses = take_steps(8, tmp_path / "data", tmp_path / "run")
    assert len(losses) == 8
    assert np.isfinite(losses).all()
    assert np.mean(losses[-2:]) < 0.5 * np.mean(losses[:2])


def test_the_recipe_begins_from_a_backbone(tmp_path):
    other = build("ssd300", classes=7, width=0.0625, rng=5)
    begin = {f"backbone.{name}": a for name, a in other.backbone.state_dict().items()}
    safetensors.save(tmp_path / "vgg.safetensors", begin)
    words = ["data.path=x", "model.options.width=0.0625"]
    fresh, begun = (
        parts_of_recipe([*words, f"model.weights={weights}"]).model.state_dict()
        for weights in ("", tmp_path / "vgg.safetensors")
    )
    assert begun.keys() == fresh.keys()
    for name, a in begun.items():
        np.testing.assert_array_equal(a, begin.get(name, fresh[name]))
    assert any(not np.array_equal(fresh[name], a) for name, a in begin.items())


def test_the_priors_of_the_cells_recipe_are_for_cells():
    """Of 20 training pictures: every cell has priors, as finely placed as its kind needs, and few are forced."""
    config = settings.read(ROOT / "recipes" / "blood-cells-ssd.toml")
    cells = read_dataset(data("bccd"), split="train[:20]", with_masks=False)
    model = build("ssd-small", classes=3, size=config.model.size, **config.model.options)
    loss = MultiboxLoss(model.boxes, model.size, **config.loss.options)
    maps = [np.zeros((1, 4 * len(h.shapes), 256 // s, 320 // s)) for h, s in zip(model.heads, STRIDES, strict=True)]
    maps += maps  # logits have as many channels: of three classes, and of nothing
    ends = np.cumsum([h.count(256 // s, 320 // s) for h, s in zip(model.heads, STRIDES, strict=True)])
    where, forced, answers = np.zeros((3, 4), int), 0, 0
    for record in learnable(cells):
        truths = Truths.from_pixels(record.objects.boxes, record.objects.labels, record.size)
        (match,) = loss.targets(maps, [truths]).matches
        each = np.bincount(match.truth[match.positives], minlength=len(truths.boxes))
        assert each.min() >= 1
        for prior in match.positives:
            where[truths.labels[match.truth[prior]], np.searchsorted(ends, prior, side="right")] += 1
        forced += int((match.iou[match.positives] < loss.threshold).sum())
        answers += len(match.positives)
    platelets, red, white = where / where.sum(axis=1, keepdims=True)
    assert platelets[0] > 0.9, "at stride 8"
    assert red[1] > 0.8, "at stride 16"
    assert white[1:].sum() > 0.95
    assert forced < 0.01 * answers
