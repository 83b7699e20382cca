"""The layer at which a network departs is found, and named by the convention that was planted there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidet import nn
from minidet.autograd import Tensor, no_grad
from minidet.cli import main
from minidet.conformance.parity import Recording, judged, parity, read
from minidet.conformance.parity.bounds import layer_bound
from minidet.conformance.parity.dump import dump
from minidet.conformance.parity.match import Layer, match
from minidet.errors import InputError
from minidet.models.blocks import ConvBlock


class Small(nn.Module):
    """A stem, a block with a sum around it, pooling, resizing; ``reversed_input`` is a departure of its own."""

    def __init__(self, seed: int, channels: int = 4) -> None:
        rng = np.random.default_rng(seed)
        self.conv1 = nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False, rng=seed)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.LeakyReLU(0.1)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, rng=seed + 1)
        self.act2 = nn.SiLU()
        self.up = nn.Upsample(2, mode="bilinear")
        self.conv3 = nn.Conv2d(channels, 5, 1, rng=seed + 2)
        self.bn1.running_var.data[:] = rng.uniform(1e-4, 0.2, channels)
        self.bn1.running_mean.data[:] = rng.normal(size=channels)
        self.bn1.weight.data[:] = rng.uniform(0.5, 2, channels)
        self.bn1.bias.data[:] = rng.normal(size=channels)
        self.reversed_input = False

    def forward(self, x: Tensor) -> Tensor:
        if self.reversed_input:
            x = Tensor(x.data[:, ::-1].copy())
        x = self.pool(self.act1(self.bn1(self.conv1(x))))
        x = x + self.act2(self.conv2(x))
        return self.conv3(self.up(x))


def recorded(net: nn.Module, x: np.ndarray, *, plain: bool = False) -> Recording:
    """What another framework would write of a network; ``plain``: only outputs and their names."""
    outputs: dict[str, np.ndarray] = {}
    inputs: dict[str, np.ndarray] = {}
    kinds: dict[str, str] = {}

    def hook(name: str) -> Callable[..., None]:
        def after(module: Any, given: Any, y: Any) -> None:
            outputs[name], inputs[name], kinds[name] = y.data.copy(), given[0].data.copy(), type(module).__name__

        return after

    removers = [m.register_forward_hook(hook(n)) for n, m in net.named_modules() if not list(m.children())]
    with no_grad():
        net(Tensor(x))
    for remove in removers:
        remove()
    return Recording(x, outputs) if plain else Recording(x, outputs, inputs, kinds)


def images(seed: int, h: int = 22, w: int = 26) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(2, 3, h, w)).astype(np.float32)


class Same(nn.Module):
    """A convolution that is padded as TensorFlow pads."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = [conv]

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv[0]
        old, conv.padding = conv.padding, 0
        y = conv.forward(Tensor(np.pad(x.data, ((0, 0), (0, 0), (0, 1), (0, 1)))))
        conv.padding = old
        return y

    def children(self) -> Any:
        return iter(())


def same(net: Small) -> None:
    net.conv1 = Same(net.conv1)  # type: ignore[assignment]


def changed(**changes: Any) -> Callable[[Small], None]:
    """Attributes as ``layer__name``."""

    def change(net: Small) -> None:
        for path, value in changes.items():
            layer, _, name = path.partition("__")
            setattr(getattr(net, layer) if name else net, name or layer, value)

    return change


PLANTED: list[tuple[str, str, Callable[[Small], None]]] = [
    ("bn1", "batch_norm.epsilon=outside_1e-6", changed(bn1__epsilon="outside", bn1__eps=1e-6)),
    ("bn1", "batch_norm.epsilon=inside_1e-3", changed(bn1__eps=1e-3)),
    ("act1", "leaky_relu.slope=0.01", changed(act1__slope=0.01)),
    ("pool", "max_pool2d.windows=ceil_dropped", changed(pool__convention="caffe")),
    ("up", "resize.sampling=bilinear_align_corners", changed(up__coordinates="align_corners")),
    ("up", "resize.sampling=nearest_floor", changed(up__mode="nearest")),
    ("conv1", "conv2d.padding=same_upper", same),
    ("conv1", "input.channels=reversed", changed(reversed_input=True)),
    ("conv3", "conv2d.bias=none", changed(conv3__bias=None)),
]


@pytest.mark.parametrize(("layer", "closes", "plant"), PLANTED)
@pytest.mark.parametrize("plain", [False, True])
def test_a_planted_departure_is_found_and_named(layer: str, closes: str, plant: Callable[[Small], None], plain: bool):
    theirs = Small(1).eval()
    theirs.conv3.bias.data[:] = 1  # type: ignore[union-attr]
    ours = Small(1).eval()
    ours.conv3.bias.data[:] = 1  # type: ignore[union-attr]
    plant(theirs)
    found = parity(ours, recorded(theirs, images(2), plain=plain))
    assert found.first is not None
    assert found.first.layer == layer
    assert closes in found.first.closes
    assert [row.layer for row in found.rows if row.verdict != "agrees"] == [layer]
    assert not found.ours_left or set(found.ours_left) == {"network"}


@given(st.integers(0, 10**6), st.sampled_from(PLANTED), st.integers(2, 6))
@settings(max_examples=12)
def test_in_drawn_networks_too(seed: int, planted: Any, channels: int):
    layer, closes, plant = planted
    theirs, ours = Small(seed, channels).eval(), Small(seed, channels).eval()
    for net in (theirs, ours):
        net.conv3.bias.data[:] = 1  # type: ignore[union-attr]
    plant(theirs)
    found = parity(ours, recorded(theirs, images(seed)))
    assert [row.layer for row in found.rows if row.verdict != "agrees"] == [layer]
    assert closes in found.rows[[row.layer for row in found.rows].index(layer)].closes


def test_two_departures_are_found_in_one_run():
    theirs, ours = Small(3).eval(), Small(3).eval()
    changed(act1__slope=0.01, up__coordinates="asymmetric")(theirs)
    found = parity(ours, recorded(theirs, images(4)))
    assert {row.layer: row.closes for row in found.rows if row.verdict == "departs"} == {
        "act1": ("leaky_relu.slope=0.01",),
        "up": ("resize.sampling=bilinear_asymmetric",),
    }


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_what_is_the_same_agrees_and_is_left_as_it_was(seed: int):
    net = Small(seed).eval()
    before = {name: a.copy() for name, a in net.state_dict().items()}
    found = parity(net, recorded(net, images(seed)))
    assert found.agrees
    assert len(found.rows) == 8
    assert not found.theirs_left
    assert all(np.array_equal(a, before[name]) and a.dtype == np.float32 for name, a in net.state_dict().items())
    assert all(row.bound < 1e-3 for row in found.rows)  # tight enough to tell something


def test_a_weight_that_is_a_little_off_departs_and_is_no_convention():
    theirs, ours = Small(5).eval(), Small(5).eval()
    theirs.conv2.weight.data[0, 0, 0, 0] += 0.02
    found = parity(ours, recorded(theirs, images(6)))
    assert found.first is not None
    assert (found.first.layer, found.first.closes) == ("conv2", ())


def test_only_the_outputs_of_blocks():
    """Theirs have one array a block of convolution, batch norm and leaky ReLU; the bound is carried through it."""
    ours = nn.Sequential(ConvBlock(3, 6, 3, stride=2, rng=0), ConvBlock(6, 4, 3, rng=1)).eval()
    theirs = nn.Sequential(ConvBlock(3, 6, 3, stride=2, rng=0), ConvBlock(6, 4, 3, rng=1)).eval()
    x = images(7)
    kept: dict[str, np.ndarray] = {}
    with no_grad():
        first = theirs[0](Tensor(x))
        kept["block1"] = first.data.copy()
        kept["block2"] = theirs[1](first).data.copy()
    found = parity(ours, Recording(x, kept))
    assert found.agrees
    assert [row.kind for row in found.rows] == ["ConvBlock", "ConvBlock"]
    bn = theirs[1].bn  # type: ignore[attr-defined]
    bn.eps = 1e-3
    with no_grad():
        kept["block2"] = theirs[1](Tensor(kept["block1"])).data.copy()
    found = parity(ours, Recording(x, kept))
    assert found.first is not None
    assert (found.first.layer, found.first.closes) == ("1", ("batch_norm.epsilon=inside_1e-3",))
    with no_grad():  # another activation at the end of the block
        bn.eps = 1e-5
        normed = bn(theirs[1].conv(Tensor(kept["block1"])))  # type: ignore[attr-defined]
        kept["block2"] = np.where(normed.data > 0, normed.data, np.float32(0.01) * normed.data)
    found = parity(ours, Recording(x, kept))
    assert found.first is not None
    assert found.first.closes == ("leaky_relu.slope=0.01",)


LAYERS: list[tuple[nn.Module, int]] = [
    (nn.Conv2d(6, 4, 3, padding=1, groups=2, rng=0), 6),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, rng=0), 4),
    (nn.AvgPool2d(3, 2, 1), 2),
    (nn.MaxPool2d(3, 2, 1), 2),
    (nn.Upsample(3, mode="bilinear"), 2),
    (nn.L2Norm(5), 5),
    (nn.Mish(), 2),
    (nn.GELU(), 2),
]


@pytest.mark.parametrize(("layer", "channels"), LAYERS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_float32_is_within_the_bounds_and_half_of_its_bits_are_not(layer: nn.Module, channels: int, seed: int):
    x = np.random.default_rng(seed).normal(size=(1, channels, 7, 6)).astype(np.float32)
    with no_grad():
        y = layer.forward(Tensor(x)).data
        wide = layer.astype(np.float64).forward(Tensor(x.astype(np.float64))).data
        bound = layer_bound(layer, x.astype(np.float64), np.zeros(x.shape), wide, 2.0**-23)
        layer.astype(np.float32)
    assert bound is not None
    assert judged(y, wide, bound)[2] == "agrees"
    if not isinstance(layer, nn.MaxPool2d):
        assert judged(y.astype(np.float16), wide, bound)[2] == "departs"


def test_the_alignment_goes_by_order_shape_and_kind():
    ours = [
        Layer("conv", "Conv2d", (1, 4, 8, 8)),
        Layer("bn", "BatchNorm2d", (1, 4, 8, 8)),
        Layer("block", "ConvBlock", (1, 4, 8, 8)),
        Layer("pool", "MaxPool2d", (1, 4, 4, 4)),
    ]
    theirs = [Layer("a", "", (1, 4, 8, 8)), Layer("b", "MaxPool2d", (1, 4, 5, 5))]
    assert match(ours, theirs) == {2: 0, 3: 1}
    assert match(ours, [Layer("x", "BatchNorm2d", (1, 4, 8, 8))]) == {1: 0}
    assert match(ours, [Layer("conv", "", (1, 4, 8, 8))]) == {0: 0}
    assert match(ours, [Layer("x", "Linear", (1, 4, 8, 8))]) == {2: 0}
    assert match(ours[:2], [Layer("x", "Linear", (1, 4, 8, 8))]) == {}
    assert match(ours, [Layer("bn", "", (1, 4, 8, 8)), Layer("conv", "", (1, 4, 8, 8))]) == {0: 1, 1: 0}
    levels = [Layer(name, "Conv2d", (1, 4, n, n)) for name, n in (("head", 8), ("head#2", 4), ("inner.1", 4))]
    turned = [Layer(name, "Conv2d", (1, 4, n, n)) for name, n in (("inner.1.0", 4), ("head.0.0", 4), ("head.0.0#2", 8))]
    assert match(levels, turned) == {0: 2, 1: 1, 2: 0}


def test_a_mapping_says_which_is_which():
    net = Small(8).eval()
    seen = recorded(net, images(9))
    found = parity(net, seen, {"conv1": "conv1", "act2": "act2"})
    assert [row.layer for row in found.rows] == ["conv1", "act2"]
    with pytest.raises(InputError, match="their network has no layer 'nothing'; there are conv1"):
        parity(net, seen, {"conv1": "nothing"})


def test_nan_and_infinity_depart():
    net = Small(8).eval()
    seen = recorded(net, images(9))
    for wrong in (np.nan, np.inf):
        outputs = {name: a.copy() for name, a in seen.outputs.items()}
        outputs["conv3"][0, 0, 0, 0] = wrong
        found = parity(net, Recording(seen.input, outputs, seen.inputs, seen.kinds))
        assert [row.layer for row in found.rows if row.verdict == "departs"] == ["conv3"]


CFG = """[net]
height=32
width=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=18
size=1
activation=linear
[yolo]
mask=0,1,2
anchors=4,4, 8,8, 16,16
classes=1
num=3
"""


def written(tmp_path: Path, epsilon: str) -> tuple[list[str], Path]:
    """The command for a network with weights, and the activations of one with another epsilon."""
    from minidet.darknet.network import DarknetNetwork
    from minidet.weights import safetensors

    (tmp_path / "net.cfg").write_text(CFG, encoding="utf-8")
    (tmp_path / "names").write_text("thing\n", encoding="utf-8")
    net = DarknetNetwork(tmp_path / "net.cfg", rng=0).eval()
    net.layers[0].bn.running_var.data[:] = np.linspace(1e-4, 1e-2, 8)  # type: ignore[attr-defined]
    safetensors.save(tmp_path / "w.safetensors", net)
    other = DarknetNetwork(tmp_path / "net.cfg", epsilon=epsilon).eval()
    other.load_state_dict(net.state_dict())
    seen = recorded(other, images(1, 32, 32))
    path = tmp_path / "theirs.npz"
    np.savez(path, input=seen.input, **seen.outputs)  # type: ignore[arg-type]
    words = ["conform", "parity", str(path), "--cfg", str(tmp_path / "net.cfg")]
    return [*words, "--weights", str(tmp_path / "w.safetensors"), "--names", str(tmp_path / "names")], path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words, _ = written(tmp_path, "alexeyab")
    assert main(words) == 0
    assert "departs" not in capsys.readouterr().out.replace("layer of 4 departs", "")
    words, path = written(tmp_path, "pjreddie-cpu")
    assert main(words) == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == (
        "departs first: layers.0.bn (BatchNorm2d); would agree under batch_norm.epsilon=outside_1e-6"
    )
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["first"] == "layers.0.bn"
    assert [one["verdict"] for one in found["layers"]].count("departs") == 1
    assert main([*words, "--epsilon", "pjreddie-cpu"]) == 0
    capsys.readouterr()
    mapping = tmp_path / "map.toml"
    mapping.write_text('"layers.0.conv" = "layers.0.conv"\n', encoding="utf-8")
    assert main([*words, "--map", str(mapping)]) == 0
    mapping.write_text('"layers.0.conv" = 3\n', encoding="utf-8")
    capsys.readouterr()
    assert main([*words, "--map", str(mapping)]) == 2
    assert 'expected lines "our.name" = "theirs"' in capsys.readouterr().err
    path.write_bytes(b"no zip")
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_files_that_are_none_are_one_line(tmp_path: Path):
    np.savez(tmp_path / "a.npz", conv=np.zeros((1, 2, 3, 3), np.float32))
    with pytest.raises(InputError, match="has no array 'input'"):
        read(tmp_path / "a.npz")
    assert set(read(tmp_path / "a.npz", np.zeros((1, 3, 3, 3), np.float32)).outputs) == {"conv"}
    np.savez(tmp_path / "b.npz", input=np.zeros((1, 3, 3, 3), np.float32), conv=np.zeros(3, np.int64))
    with pytest.raises(InputError, match="conv is of int64"):
        read(tmp_path / "b.npz")


def _torch_small(ours: Small) -> Any:
    """The same network in torch, with our weights; the activations in place, as many networks have them."""
    import torch
    from torch import nn as t

    class Net(t.Module):
        def __init__(self) -> None:
            super().__init__()
            c = ours.conv1.weight.shape[0]
            self.conv1 = t.Conv2d(3, c, 3, stride=2, padding=1, bias=False)
            self.bn1 = t.BatchNorm2d(c)
            self.act1 = t.LeakyReLU(0.1, inplace=True)
            self.pool = t.MaxPool2d(2, 2)
            self.conv2 = t.Conv2d(c, c, 3, padding=1)
            self.act2 = t.SiLU(inplace=True)
            self.up = t.Upsample(scale_factor=2, mode="bilinear")
            self.conv3 = t.Conv2d(c, 5, 1)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.act1(self.bn1(self.conv1(x))))
            x = x + self.act2(self.conv2(x))
            return self.conv3(self.up(x))

    net = Net()
    net.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in ours.state_dict().items()}, strict=False)
    return net.eval()


TORCH: list[tuple[str, str, Callable[[Any], None]]] = [
    ("bn1", "batch_norm.epsilon=inside_1e-3", changed(bn1__eps=1e-3)),
    ("bn1", "batch_norm.statistics=of_the_batch_biased", lambda net: net.bn1.train()),
    ("act1", "leaky_relu.slope=0.01", changed(act1__negative_slope=0.01)),
    ("pool", "max_pool2d.windows=ceil_dropped", changed(pool__ceil_mode=True)),
    ("up", "resize.sampling=bilinear_align_corners", changed(up__align_corners=True)),
]


@pytest.mark.oracle
def test_a_torch_network_agrees(tmp_path: Path):
    import torch

    ours = Small(11, 8).eval()
    with torch.no_grad():
        dump(_torch_small(ours), torch.from_numpy(images(12)), tmp_path / "theirs.npz")
    seen = read(tmp_path / "theirs.npz")
    assert list(seen.outputs) == ["conv1", "bn1", "act1", "pool", "conv2", "act2", "up", "conv3"]
    assert set(seen.inputs) == set(seen.outputs) == set(seen.kinds)
    assert seen.outputs["bn1"].min() < -0.5  # not what the activation, in place, made of it
    found = parity(ours, seen)
    assert found.agrees
    assert len(found.rows) == 8


@pytest.mark.oracle
@pytest.mark.parametrize(("layer", "closes", "plant"), TORCH)
def test_a_departure_in_torch_is_named(layer: str, closes: str, plant: Callable[[Any], None], tmp_path: Path):
    import torch

    ours = Small(11, 8).eval()
    theirs = _torch_small(ours)
    plant(theirs)
    with torch.no_grad():
        dump(theirs, torch.from_numpy(images(12)), tmp_path / "theirs.npz")
    found = parity(ours, read(tmp_path / "theirs.npz"))
    assert found.first is not None
    assert found.first.layer == layer
    assert closes in found.first.closes
    assert [row.layer for row in found.rows if row.verdict == "departs"] == [layer]
