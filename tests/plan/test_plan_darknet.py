"""Plans of Darknet's networks: real ones with their weights, large ones with drawn weights, all sections."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.darknet_nets import images, randomise, relative_error
from support.realdata import data
from support.tiny_darknet import tiny

from minidet import Tensor, nn, no_grad
from minidet.cli import main
from minidet.darknet import CfgWarning, DarknetNetwork, read_cfg
from minidet.plan import Plan
from minidet.weights import darknet as weights

BOUND = 1e-4  # of the largest value of a raw map; measured: about 2e-6

REAL = [
    "yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1",
    "mobilenet-yolo/MobileNetV2-YOLOv3-Nano/VOC/MobileNetV2-YOLOv3-Nano-voc",
    "mobilenet-yolo/yoloface-50k/yoloface-50k",
]
#: Between them: every activation that plans know, shortcuts, routes of groups, reorg, pools, squeeze and excitation.
RANDOM = [
    "cfg-pjreddie/yolov3-spp", "cfg-alexeyab/yolov4-tiny", "cfg-pjreddie/yolov2", "cfg-alexeyab/enet-coco",
    "cfg-pjreddie/darknet19", "cfg-pjreddie/resnet18",
]  # fmt: skip


def agree(net, x):
    with no_grad():
        expected = [m.data for m in net(Tensor(x))]
    found = Plan(net)(x)
    assert isinstance(found, tuple)
    for got, wanted in zip(found, expected, strict=True):
        assert relative_error(got, wanted) < BOUND


@pytest.mark.parametrize("name", REAL)
def test_real_networks(name):
    with nn.init.skipped():
        net = DarknetNetwork(data(f"weights/{name}.cfg")).eval()
    weights.load(net, data(f"weights/{name}.weights"))
    agree(net, images(np.random.default_rng(0), 1, 3, net.size))


@pytest.mark.parametrize("name", RANDOM)
def test_random_networks(name):
    cfg = read_cfg(data(f"darknet/{name}.cfg")).with_net(height=64, width=96)
    with nn.init.skipped(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        net = DarknetNetwork(cfg)
    x = images(np.random.default_rng(1), 2, 3, net.size)
    randomise(net, np.random.default_rng(2), x)
    agree(net, x)


def test_every_activation_of_a_cfg_can_be_planned(tmp_path):
    from minidet.darknet.activations import ACTIVATIONS

    sections = "".join(
        f"\n[convolutional]\nfilters=20\nsize=3\npad=1\nstride=1\nactivation={name}\n" for name in ACTIVATIONS
    )
    path = tmp_path / "all.cfg"
    path.write_text(f"[net]\nwidth=16\nheight=16\nchannels=3\n{sections}")
    net = DarknetNetwork(path, rng=0).eval()
    agree(net, images(np.random.default_rng(1), 1, 3, net.size))


def test_detect_finds_the_same_with_and_without(tmp_path, capsys):
    import json

    from PIL import Image

    cfg, file = tiny(tmp_path)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(picture)
    found = []
    for more in ((), ("--layers",)):
        command = ["detect", str(picture), "--cfg", str(cfg), "--weights", str(file), "--score", "0.4", "--json", *more]
        assert main(command) == 0
        found.append(json.loads(capsys.readouterr().out)["images"][0]["detections"])
    assert found[0]
    for one, other in zip(*found, strict=True):
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
        assert one["box"] == pytest.approx(other["box"], abs=1e-3)


def test_the_command_prints_each_step(tmp_path, capsys):
    cfg, _ = tiny(tmp_path)
    assert main(["plan", str(cfg), "--repeats", "1"]) == 0
    printed = capsys.readouterr().out
    assert "layers.0.conv" in printed
    assert "windows (batch norm, leaky)" in printed
    assert main(["plan", str(cfg), "--json", "--batch", "2", "--size", "64"]) == 0
    import json

    document = json.loads(capsys.readouterr().out)
    assert [step["shape"] for step in document["steps"]][1] == [2, 8, 16, 16]


@pytest.mark.parametrize("wrong", [["nothing"], ["yolov3", "--batch", "0"], ["yolov3", "--size", "100"]])
def test_the_command_says_in_one_line_what_is_wrong(wrong, capsys):
    assert main(["plan", *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
