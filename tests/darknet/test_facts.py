"""The published numbers of networks, exactly; and the command that prints them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from support.realdata import data

from minidet import Tensor, cli, models, nn, no_grad
from minidet.darknet import CfgWarning, DarknetNetwork
from minidet.facts import facts

#: cfg, size, numbers in a file, trainable, convolutions, GFLOPs at two a multiply-add, boxes
PUBLISHED = [
    ("cfg-pjreddie/yolov3", 320, 62001757, 61949149, 75, "38.973", 6300),
    ("cfg-pjreddie/yolov3", 416, 62001757, 61949149, 75, "65.864", 10647),
    ("cfg-pjreddie/yolov3", 608, 62001757, 61949149, 75, "140.692", 22743),
    ("cfg-pjreddie/yolov3-voc", 416, 61678657, 61626049, 75, "65.428", 10647),
    ("cfg-pjreddie/yolov3-tiny", 416, 8858734, 8852366, 13, "5.565", 2535),
    ("cfg-pjreddie/yolov3-spp", 416, 63052381, 62998749, 76, "66.218", 10647),
    ("cfg-pjreddie/yolov3-spp", 608, 63052381, 62998749, 76, "141.449", 22743),
    ("cfg-pjreddie/yolov3-openimages", 608, 64807342, None, 75, "148.781", 22743),
    ("cfg-pjreddie/darknet53", 256, 41645640, 41609928, 53, "18.57", 0),
    ("cfg-pjreddie/yolov2", 416, 50983561, None, 23, "29.464", 845),
    ("cfg-pjreddie/yolov2", 608, 50983561, None, 23, "62.938", 1805),
    ("cfg-pjreddie/yolov2-voc", 416, 50676061, None, 23, "29.360", 845),
    ("cfg-alexeyab/yolov4", 416, 64429405, 64363101, 110, "60.105", 10647),
    ("cfg-alexeyab/yolov4", 608, 64429405, 64363101, 110, "128.389", 22743),
    ("cfg-alexeyab/yolov4-tiny", 416, 6062814, None, 21, None, 2535),
]


def build(path, **options):
    with nn.init.skipped(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        return DarknetNetwork(data(f"darknet/{path}.cfg"), **options)


@pytest.mark.parametrize(("path", "size", "in_file", "trainable", "convolutions", "gflops", "boxes"), PUBLISHED)
def test_published_numbers(path, size, in_file, trainable, convolutions, gflops, boxes):
    found = facts(build(path, size=size))
    assert found.in_file == in_file
    assert trainable is None or found.trainable == trainable
    assert found.conv_layers == convolutions
    assert found.boxes == boxes
    if gflops is not None:
        decimals = len(gflops.partition(".")[2])
        assert f"{2 * found.conv_macs / 1e9:.{decimals}f}" == gflops


#: Layers of yolov3.cfg at 416 by their number: the shapes published with the counts.
SHAPES = {
    0: (32, 416), 1: (64, 208), 5: (128, 104), 12: (256, 52), 36: (256, 52), 37: (512, 26), 61: (512, 26),
    62: (1024, 13), 74: (1024, 13), 79: (512, 13), 81: (255, 13), 86: (768, 26), 93: (255, 26), 98: (384, 52),
    105: (255, 52),
}  # fmt: skip


def test_published_shapes_of_yolov3():
    net = build("cfg-pjreddie/yolov3", size=416)
    rows = facts(net).layers
    assert len(rows) == len(net.layers) == 107
    for index, (channels, side) in SHAPES.items():
        assert rows[index].shape == (channels, side, side)
    assert [(i, r.boxes) for i, r in enumerate(rows) if r.boxes] == [(82, 507), (94, 2028), (106, 8112)]
    assert [row.shape for row in rows] == net.shapes((416, 416))


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny", "yolov3-spp"])
def test_models_by_name_equal_their_cfgs(name):
    with nn.init.skipped():
        found = facts(models.build(name, classes=20, size=(320, 416)))
    same = facts(build(f"cfg-pjreddie/{name}", classes=20, size=(320, 416)))
    assert {**found.to_dict(), "model": ""} == {**same.to_dict(), "model": ""}
    assert sum(row.parameters for row in found.layers) == found.trainable
    assert sum(row.boxes for row in found.layers) == found.boxes
    assert {row.boxes for row in found.layers} == {row.boxes for row in same.layers}


def test_operations_are_counted_from_the_shapes_that_really_flow():
    net = build("cfg-pjreddie/yolov1-tiny")
    flowing = {}
    for _, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda m, _i, y: flowing.update({id(m): (m, y.shape)}))
    with no_grad():
        net.eval()(Tensor(np.zeros((0, 3, 448, 448), np.float32)))
    convolutions = [(m, shape) for m, shape in flowing.values() if isinstance(m, nn.Conv2d)]
    want = sum(m.weight.size * shape[2] * shape[3] for m, shape in convolutions)
    found = facts(net)
    assert found.conv_macs == want
    assert found.macs == want + 12544 * 1470
    assert found.boxes == 7 * 7 * 2
    assert all(module.training is False for _, module in net.named_modules())
    net.train()
    facts(net)
    assert all(module.training for _, module in net.named_modules())


def run(capsys, *arguments):
    status = cli.main(["facts", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(
    ("name", "trainable", "in_file", "convolutions", "boxes"),
    [
        ("yolov3", 61949149, 62001757, 75, 10647),
        ("yolov3-tiny", 8852366, 8858734, 13, 2535),
        ("yolov3-spp", 62998749, 63052381, 76, 10647),
    ],
)
def test_the_command_prints_one_json_object(name, trainable, in_file, convolutions, boxes, capsys):
    status, out, err = run(capsys, name, "--size", 416, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["parameters.trainable"], found["parameters.file"]) == (trainable, in_file)
    assert (found["conv_layers"], found["boxes"]) == (convolutions, boxes)
    assert found["flops_conv"] == 2 * found["macs"]
    assert found["size"] == [416, 416]


def test_the_command_on_a_cfg(capsys):
    status, out, err = run(capsys, data("darknet/cfg-alexeyab/yolov4.cfg"), "--size", "416", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["parameters.trainable"], found["parameters.file"]) == (64363101, 64429405)
    assert (found["conv_layers"], round(found["flops_conv"] / 1e9, 3)) == (110, 60.105)
    status, out, _ = run(capsys, data("darknet/cfg-alexeyab/yolov4.cfg"), "--classes", "3", "--size", "64x96", "--json")
    found = json.loads(out)
    assert (found["classes"], found["size"], found["boxes"]) == (3, [64, 96], 3 * (2 * 3 + 4 * 6 + 8 * 12))


def test_the_table(capsys):
    status, out, err = run(capsys, "yolov3-tiny")
    assert (status, err) == (0, "")
    for part in (
        "convolution 3x3",
        "255 x 13 x 13",
        "8,852,366",
        "5,564,961,792",
        "2,782,480,896",
        "2,535",
        "5.565 GFLOPs",
    ):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("yolov33",), "'yolov33' is neither the name of a network nor a file"),
        (("absent.cfg",), "absent.cfg: cannot be read"),
        (("yolov3", "--size", "100"), "expected height and width to be multiples of 32"),
        (("yolov3", "--size", "0"), "expected N or HxW"),
        (("yolov3", "--classes", "0"), "expected at least 1"),
        (("yolov3", "--classes", "many"), "invalid int value"),
        ((), "MODEL"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, says, capsys):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_bad_cfg_is_one_line_and_status_2(tmp_path, capsys):
    path = tmp_path / "net.cfg"
    path.write_text("[net]\nwidth=32\nheight=32\n[convolutional]\nfilters=8\nsize=3\nxnor=1\n")
    status, out, err = run(capsys, path, "--json")
    assert (status, out, err) == (
        2,
        "",
        f"minidet: {path}:7: [convolutional] xnor: xnor=1 changes the result and is not implemented\n",
    )
    path.write_text("[net]\nwidth=32\nheight=32\n[convolutional]\nfilters=8\nsize=3\nfliters=1\n")
    status, out, err = run(capsys, path, "--json")
    assert (status, json.loads(out)["conv_layers"]) == (0, 1)
    assert err == f"minidet: warning: {path}:7: [convolutional] fliters: is not known, and is passed over\n"
    status, out, err = run(capsys, path, "--classes", "3")
    assert (status, out) == (2, "")
    assert "so its classes cannot be changed" in err
