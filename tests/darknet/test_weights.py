"""Weights files: both forms of the header, the order of the numbers, and nothing but a whole file for the network."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.realdata import data

from minidet import nn
from minidet.darknet import DarknetNetwork, parse_cfg
from minidet.errors import InputError
from minidet.weights import darknet as weights
from minidet.weights.darknet import WeightsError

CFG = parse_cfg(
    """
[net]
width=6
height=6
channels=2
[convolutional]
filters=4
size=3
groups=2
batch_normalize=1
activation=leaky
[maxpool]
size=2
stride=2
[connected]
output=3
batch_normalize=1
activation=relu
[connected]
output=5
activation=linear
""",
    "small.cfg",
)
CONV, CONNECTED, LAST = 4 * 4 + 4 * 1 * 9, 4 * 3 + 3 * 16, 5 + 5 * 3
FLOATS = CONV + CONNECTED + LAST


def network():
    return DarknetNetwork(CFG, rng=0)


HEADER = struct.pack("<iiiq", 0, 2, 5, 7)


def write(path, floats, start=HEADER):
    path.write_bytes(start + np.asarray(floats, "<f4").tobytes())
    return path


def test_the_numbers_go_where_darknet_keeps_them(tmp_path):
    net = network()
    numbers = np.arange(FLOATS, dtype=np.float32)
    header = weights.load(net, write(tmp_path / "a.weights", numbers))
    assert (header.major, header.minor, header.revision, header.seen, header.form) == (0, 2, 5, 7, "64-bit")
    conv, connected, last = net.layers[0], net.layers[2], net.layers[3]
    at = iter(np.split(numbers, np.cumsum([4, 4, 4, 4, 36, 3, 48, 3, 3, 3, 5])))
    for tensor in (conv.bn.bias, conv.bn.weight, conv.bn.running_mean, conv.bn.running_var, conv.conv.weight):
        np.testing.assert_array_equal(tensor.data.reshape(-1), next(at))
    for tensor in (
        connected.bn.bias,
        connected.linear.weight,
        connected.bn.weight,
        connected.bn.running_mean,
        connected.bn.running_var,
    ):
        np.testing.assert_array_equal(tensor.data.reshape(-1), next(at))
    for tensor in (last.linear.bias, last.linear.weight):
        np.testing.assert_array_equal(tensor.data.reshape(-1), next(at))
    assert weights.count(net) == FLOATS


@pytest.mark.parametrize("form", ["64-bit", "32-bit"])
def test_both_headers_are_written_and_read(form, tmp_path):
    net, path = network(), tmp_path / "net.weights"
    weights.save(net, path, seen=123456, header=form)
    assert path.stat().st_size == (20 if form == "64-bit" else 16) + 4 * FLOATS
    header = weights.read_header(path)
    assert (header.form, header.seen, header.size) == (form, 123456, path.stat().st_size - 4 * FLOATS)
    with nn.init.skipped():
        other = network()
    assert weights.load(other, path) == header
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array, err_msg=name)
    assert [p.name for p in tmp_path.iterdir()] == ["net.weights"]


@pytest.mark.parametrize(
    ("major", "minor", "form"),
    [(0, 1, "32-bit"), (0, 2, "64-bit"), (1, 0, "64-bit"), (0, 9, "64-bit"), (0, 0, "32-bit")],
)
def test_seen_is_wide_from_version_0_2_on(major, minor, form, tmp_path):
    start = struct.pack("<iii" + ("q" if form == "64-bit" else "i"), major, minor, 0, 5)
    header = weights.load(network(), write(tmp_path / "a.weights", np.zeros(FLOATS), start))
    assert (header.form, header.seen) == (form, 5)


def test_other_widths_and_devices_of_the_model(tmp_path):
    net, path = network(), tmp_path / "net.weights"
    weights.save(net, path)
    double = network().astype(np.float64)
    weights.load(double, path)
    assert double.layers[0].conv.weight.dtype == np.float64
    np.testing.assert_array_equal(double.layers[0].conv.weight.data, net.layers[0].conv.weight.data)
    weights.save(double, tmp_path / "double.weights")
    assert (tmp_path / "double.weights").read_bytes() == path.read_bytes()


@given(st.data())
def test_a_file_cut_or_lengthened_anywhere_is_refused_and_changes_nothing(tmp_path_factory, data):
    net = network()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    whole = struct.pack("<iiiq", 0, 2, 5, 0) + np.full(FLOATS, 0.5, "<f4").tobytes()
    if data.draw(st.booleans(), label="cut"):
        content, says = whole[: data.draw(st.integers(0, len(whole) - 1), label="length")], "runs short at layer"
        says = "bytes" if len(content) < 20 else says
    else:
        content, says = whole + data.draw(st.binary(min_size=1, max_size=40), label="appended"), "another network"
    path = tmp_path_factory.mktemp("w") / "net.weights"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        weights.load(net, path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@given(st.integers(0, 159), st.sampled_from(["64-bit", "32-bit"]))
@settings(max_examples=60)
def test_a_damaged_header_is_refused_or_changes_no_number(tmp_path_factory, bit, form):
    net, path = network(), tmp_path_factory.mktemp("w") / "net.weights"
    weights.save(net, path, seen=1, header=form)
    content = bytearray(path.read_bytes())
    bit %= 8 * (len(content) - 4 * FLOATS)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with nn.init.skipped():
        other = network()
    try:
        weights.load(other, path)
    except WeightsError as error:
        lines = str(error).splitlines()
    else:
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[name], array)
        lines = ["read"]
    assert len(lines) == 1


def message(path, net=None, **options):
    with pytest.raises(WeightsError) as error:
        weights.load(net or network(), path, **options)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_the_line_says(tmp_path):
    path = tmp_path / "net.weights"
    write(path, np.zeros(CONV + 10))
    assert message(path).endswith(
        f"runs short at layer 2 [connected] (line 15), which needs {CONNECTED} floats where 10 floats are left; the "
        f"network has {FLOATS}, the file {CONV + 10} floats"
    )
    path.write_bytes(path.read_bytes()[:-3])
    assert "where 9 floats and 1 bytes are left" in message(path)
    write(path, np.zeros(FLOATS + 3))
    assert f"holds {FLOATS + 3} floats; the network has {FLOATS}, so the file belongs to another" in message(path)
    assert "layer 3 [connected] (line 19)" in message(path)
    path.write_bytes(b"")
    assert "holds 0 bytes" in message(path)
    path.write_bytes(b"<!DOCTYPE html><html><head><title>Not Found</title>" + b" " * 1000)
    assert "is text beginning with '<!DOCTYPE html><'" in message(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert "is text beginning with 'version https://'" in message(path)
    path.write_bytes(bytes(range(128, 228)))
    assert "begins with the version" in message(path)
    assert "No such file" in message(tmp_path / "absent.weights")
    assert "cannot be read" in message(tmp_path)
    write(path, np.zeros(FLOATS), struct.pack("<iiiq", 2000, 2, 5, 0))
    assert "transposed" in message(path)
    numbers = np.zeros(FLOATS)
    numbers[CONV + 3 + 7] = np.nan
    write(path, numbers)
    assert "layer 2 [connected] (line 15) has 1 values of 48 in its weight that are not finite" in message(path)


def test_a_backbone_is_read_only_when_it_is_asked_for(tmp_path):
    path = write(tmp_path / "backbone.weights", np.full(CONV, 0.25))
    assert "runs short at layer 2" in message(path)
    net = network()
    rest = {n: a.copy() for n, a in net.state_dict().items() if not n.startswith("layers.0.")}
    weights.load(net, path, cutoff=1)
    assert (net.layers[0].conv.weight.data == 0.25).all()
    for name, array in rest.items():
        np.testing.assert_array_equal(net.state_dict()[name], array)
    assert "belongs to another network" in message(write(path, np.zeros(FLOATS)), cutoff=1)
    for cutoff in (0, 4):
        with pytest.raises(ValueError, match="the model has 3 layers with weights"):
            weights.load(net, path, cutoff=cutoff)


def test_saving_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    net, path = network(), tmp_path / "net.weights"
    path.write_bytes(b"old")

    def broken(array):
        raise OSError("no space left on device")

    monkeypatch.setattr(weights, "to_numpy", broken)
    with pytest.raises(OSError, match="no space"):
        weights.save(net, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.weights"]


def test_wrong_options(tmp_path):
    with pytest.raises(ValueError, match="expected one of '64-bit', '32-bit'"):
        weights.save(network(), tmp_path / "a", header="16-bit")
    with pytest.raises(ValueError, match="does not fit a 32-bit header"):
        weights.save(network(), tmp_path / "a", header="32-bit", seen=2**31)
    with pytest.raises(InputError, match="Conv2d has no order of layers"):
        weights.save(nn.Conv2d(1, 1, 1), tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cfg", "floats"),
    [
        ("yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1", 346_062),
        ("yolo-fastest/yolo-fastest-1.0_coco/yolo-fastest", 356_406),
        ("mobilenet-yolo/MobileNetV2-YOLOv3-Nano/VOC/MobileNetV2-YOLOv3-Nano-voc", 769_750),
        ("mobilenet-yolo/yoloface-50k/yoloface-50k", 11_248),
    ],
)
def test_real_files_are_read_and_written_bit_for_bit(cfg, floats, tmp_path):
    path = data(f"weights/{cfg}.weights")
    net = DarknetNetwork(data(f"weights/{cfg}.cfg"), rng=0)
    header = weights.load(net, path)
    assert weights.count(net) == floats == (path.stat().st_size - header.size) // 4
    weights.save(net, tmp_path / "copy.weights", seen=header.seen, header=header.form)
    assert (tmp_path / "copy.weights").read_bytes()[header.size :] == path.read_bytes()[header.size :]
