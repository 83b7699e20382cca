"""What is installed is whole: run against the tree by ``make test``, against the built wheel by ``make wheel``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import minidet_kernels
import numpy as np
import pytest
from support.tree import ROOT

import minidet
from minidet.data.image import load_image
from minidet.detect import detect
from minidet.models import NAMES, build
from minidet.weights import darknet, safetensors

pytestmark = pytest.mark.wheel
OF_WHEEL = os.environ.get("MINIDET_TEST_WHEEL") == "1"
only_of_wheel = pytest.mark.skipif(not OF_WHEEL, reason="there is no wheel to look at: make wheel")


@only_of_wheel
def test_it_is_the_wheel_that_is_tested():
    for package in (minidet, minidet_kernels):
        assert ROOT not in Path(package.__file__).parents, "the tree was imported instead"
    assert version("minidet") == minidet.__version__


@only_of_wheel
def test_the_wheel_has_every_module_and_file_of_the_tree_and_no_more():
    for package, folder in ((minidet, ROOT / "minidet"), (minidet_kernels, ROOT / "kernels" / "minidet_kernels")):
        installed = Path(package.__file__).parent
        mine, theirs = (
            {str(p.relative_to(f)) for p in f.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
            for f in (folder, installed)
        )
        assert theirs == mine


@only_of_wheel
def test_the_command_is_installed():
    (command,) = entry_points(group="console_scripts", name="minidet")
    program = Path(sys.executable).with_name("minidet")
    done = subprocess.run([program, "facts", "yolov3-tiny", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["conv_layers"] == 13
    assert callable(command.load())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ssd512"])  # of one class with ssd300
def test_a_network_goes_through_a_file_and_finds_the_same_boxes(name, tmp_path):
    options = {} if name == "yolov3-shapes" else {"width": 0.125}
    side = {"ssd300": 300, "ssd512": 512, "ssd-small": 128}.get(name, 96)
    first, second = (build(name, classes=3, size=side, rng=seed, **options) for seed in (0, 1))
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    safetensors.save(tmp_path / "net.safetensors", first)
    second.load_state_dict(safetensors.load(tmp_path / "net.safetensors"))
    found, again = (detect(net, picture, score=0.001, names=["a", "b", "c"]) for net in (first, second))
    assert len(found)
    np.testing.assert_array_equal(found.boxes, again.boxes)
    assert found.to_json() == again.to_json()
    assert found.draw(picture).shape == picture.shape


def test_darknet_weights_are_written_and_read(tmp_path):
    first, second = (build("yolov3-tiny", classes=2, size=64, rng=seed) for seed in (0, 1))
    darknet.save(first, tmp_path / "net.weights")
    darknet.load(second, tmp_path / "net.weights")
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data, err_msg=name)


def test_the_command_detects_and_draws(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((40, 60, 3), 128, np.uint8)).save(tmp_path / "gray.png")
    darknet.save(build("yolov3-tiny", size=64, rng=0), tmp_path / "net.weights")
    command = [sys.executable, "-m", "minidet", "detect", "gray.png", "--model", "yolov3-tiny"]
    command += ["--weights", "net.weights", "--size", "64", "--score", "0.26", "--best-label"]
    command += ["--out", "found", "--json"]
    path = os.pathsep.join(str(Path(p.__file__).parents[1]) for p in (minidet, minidet_kernels))
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert load_image(tmp_path / "found" / "gray-detected.png").shape == (40, 60, 3)
