"""The recipes are settings that `minidet train` takes, and those that the shipped weights were made with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support.tree import ROOT

from minidet.data.dataset import Dataset, Objects, Record
from minidet.train import assemble
from minidet.train import config as settings
from minidet.weights.shipped import registry, shipped

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
#: Those whose runs end in weights of the same name that come with the package.
SHIPPED = [path for path in RECIPES if path.stem in registry()]
#: Those of runs that are longer, or end in more, than what is shipped.
UNSHIPPED = {"nuclei", "ssd300-voc"}


def test_weights_come_with_the_package_or_are_known_not_to():
    assert {path.stem for path in RECIPES} == {path.stem for path in SHIPPED} | UNSHIPPED


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_run_can_be_made_of_it(path):
    config = settings.read(path)
    names = registry()[path.stem].classes if path in SHIPPED else ("this", "that", "another")
    record = Record("a.png", (480, 640), 0, Objects(np.array([[10.0, 10, 60, 50]]), np.zeros(1, np.int64)))
    splits = assemble.Splits(names, Dataset(Path("."), names, (record,)), None)
    parts = assemble.parts_of(dataclasses.replace(config, data=dataclasses.replace(config.data, path="x")), splits)
    assert parts.steps == config.run.steps


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_the_shipped_weights_of_its_name_are_of_its_network(path):
    config, entry = settings.read(path), shipped(path.stem)
    assert any(f"minidet train recipes/{path.name}" in command for command in entry.train)
    assert (config.model.name, tuple(config.model.size)) == (entry.model, entry.size)
    assert config.run.seed == entry.seed
    assert config.evaluate.nms == entry.nms
    assert f"--nms {entry.nms}" in entry.evaluate or "measure" in entry.evaluate
    given = dict(entry.options)
    if config.model.anchors != "default":
        anchors = sorted(tuple(float(x) for x in pair) for pair in config.model.anchors)
        assert anchors == sorted(tuple(pair) for head in given.pop("anchors") for pair in head)
    assert given == config.model.options
