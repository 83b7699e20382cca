"""Every real cfg is built and runs; how a network treats sizes, memory and its own outputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.darknet_nets import images, randomise, relative_error
from support.realdata import data, data_root

from minidet import Tensor, nn, no_grad
from minidet.darknet import CfgError, CfgWarning, DarknetNetwork, parse_cfg, read_cfg
from minidet.weights import darknet as weights

CFGS = [p for p in sorted(data_root().glob("**/*.cfg")) if "xnor" not in p.stem]

#: Numbers that the file of a network holds.
FLOATS = {
    "yolov3": 62_001_757, "yolov3-tiny": 8_858_734, "yolov3-spp": 63_052_381, "yolov4": 64_429_405,
    "yolov4-tiny": 6_062_814, "darknet53": 41_645_640, "yolov2": 50_983_561, "yolov3-voc": 61_678_657,
}  # fmt: skip


def build(path, **options):
    with nn.init.skipped(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        return DarknetNetwork(path, **options).eval()


@pytest.mark.parametrize("path", CFGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_real_cfg_is_built_and_runs(path):
    net = build(path)
    if path.stem in FLOATS:
        assert weights.count(net) == FLOATS[path.stem]
    # an empty batch runs every layer with its true shapes at the cfg's own size, and computes nothing
    shapes = []
    removers = [layer.register_forward_hook(lambda _m, _i, y: shapes.append(y.shape[1:])) for layer in net.layers]
    with no_grad():
        maps = net(Tensor(np.zeros((0, 3, *net.size), np.float32)))
    for remove in removers:
        remove()
    assert shapes == net.shapes(net.size) == [layer.shape for layer in net.layers]
    if net.classifier:
        assert maps[0].size == 0
        assert net.classes == 1000
    else:
        assert [m.shape[1] for m in maps] == [h.channels for h in net.heads]


@pytest.mark.parametrize(
    "path",
    [
        "cfg-alexeyab/yolov4-tiny-3l", "cfg-alexeyab/yolov3-tiny-prn", "cfg-alexeyab/enet-coco",
        "cfg-alexeyab/yolov7-tiny", "cfg-pjreddie/resnet18", "cfg-pjreddie/darknet19", "cfg-pjreddie/yolov2-tiny-voc",
        "cfg-pjreddie/yolov1-tiny",
    ],
)  # fmt: skip
def test_networks_compute_on_images(path):
    fixed = path.endswith("yolov1-tiny")
    net = build(data(f"darknet/{path}.cfg"), size=None if fixed else (64, 96))
    x = images(np.random.default_rng(5), 2, 3, net.size)
    randomise(net, np.random.default_rng(6), x)
    with no_grad():
        maps = net(Tensor(x))
        (alone, *_) = net(Tensor(x[1:]))
        folded, *_ = net.fold()(Tensor(x))
    for m in maps:
        assert np.isfinite(m.data).all()
        assert m.data.std() > 1e-4
    np.testing.assert_allclose(alone.data, maps[0].data[1:], atol=1e-4 * np.abs(maps[0].data).max())
    assert relative_error(folded.data, maps[0].data) < 1e-4
    if net.classifier:
        np.testing.assert_allclose(maps[0].data.reshape(2, -1).sum(axis=1), 1, rtol=1e-5)
        with pytest.raises(ValueError, match="is a classifier"):
            net.candidates([m.data for m in maps])
    else:
        found = net.candidates([m.data for m in maps])
        count = sum(h.count(*m.shape[2:]) for h, m in zip(net.heads, maps, strict=True))
        assert [(c.boxes.shape, c.scores.shape) for c in found] == [((count, 4), (count, net.classes))] * 2
        with pytest.raises(ValueError, match="maps for a network of"):
            net.candidates([])


SMALL = """
[net]
width=32
height=64
channels=3
[conv]
filters=4
size=3
stride=2
pad=1
activation=leaky
[conv]
filters=4
size=3
stride=2
pad=1
activation=leaky
[upsample]
[route]
layers=-1,0
[conv]
filters=14
activation=linear
[yolo]
anchors=1,2,3,4
num=2
classes=2
"""


def test_any_size_that_fits_is_taken():
    net = DarknetNetwork(parse_cfg(SMALL, "small.cfg"), rng=0).eval()
    assert net.size == (64, 32)
    with no_grad():
        (m,) = net(Tensor(np.zeros((1, 3, 20, 12), np.float32)))
    assert m.shape == (1, 14, 10, 6)
    assert net.candidates([m.data], size=(20, 12))[0].boxes.max() < 20 + 4
    with pytest.raises(
        CfgError, match=r"small.cfg:19: \[route\]: joins maps of different sizes: layer 2 is 6 x 6, layer 0 is 5 x"
    ):
        net(Tensor(np.zeros((1, 3, 10, 12), np.float32)))
    with pytest.raises(ValueError, match=r"images of shape \(1, 1, 20, 12\); small.cfg takes \(N, 3, height, width\)"):
        net(Tensor(np.zeros((1, 1, 20, 12), np.float32)))
    assert DarknetNetwork(parse_cfg(SMALL), size=(16, 24), rng=0).size == (16, 24)
    with pytest.raises(CfgError, match="an input of 0 x 24"):
        DarknetNetwork(parse_cfg(SMALL), size=(0, 24))


def test_other_classes():
    net = DarknetNetwork(parse_cfg(SMALL), classes=5, rng=0).eval()
    assert net.classes == 5
    with no_grad():
        (m,) = net(Tensor(np.zeros((1, 3, 64, 32), np.float32)))
    assert m.shape[1] == 2 * (5 + 5)


def test_a_fixed_size_network_says_so():
    net = DarknetNetwork(parse_cfg("[net]\nwidth=8\nheight=8\nchannels=1\n[connected]\noutput=3\n", "full.cfg"), rng=0)
    with pytest.raises(
        CfgError, match=r"full.cfg:5: \[connected\]: was built for 64 inputs, and 1 x 9 x 8 = 72 arrive"
    ):
        net(Tensor(np.zeros((1, 1, 9, 8), np.float32)))


def test_outputs_that_no_later_layer_reads_are_let_go():
    import gc
    import weakref

    text = "[net]\nwidth=8\nheight=8\nchannels=2\n" + "[conv]\nfilters=2\n" * 9 + "[route]\nlayers=2,-1\n"
    net = DarknetNetwork(parse_cfg(text), rng=0).eval()
    alive, most, refs = [], [], []

    def hook(_module, _inputs, y):
        gc.collect()
        refs.append(weakref.ref(y))
        alive.append(sum(r() is not None for r in refs))
        most.append(refs[2]() is not None if len(refs) > 2 else None)

    for layer in net.layers:
        layer.register_forward_hook(hook)
    with no_grad():
        net(Tensor(np.zeros((1, 2, 8, 8), np.float32)))
    assert max(alive) <= 3  # the layer's input, its output, and layer 2 for the route
    assert all(most[2:])


def test_same_seed_same_network():
    a, b, c = (DarknetNetwork(parse_cfg(SMALL), rng=seed) for seed in (1, 1, 2))
    for name, array in a.state_dict().items():
        np.testing.assert_array_equal(array, b.state_dict()[name])
    assert not np.array_equal(a.layers[0].conv.weight.data, c.layers[0].conv.weight.data)
    assert not np.array_equal(a.layers[0].conv.weight.data.ravel()[:16], a.layers[1].conv.weight.data.ravel()[:16])


def test_nms_kind_is_kept():
    net = build(data("darknet/cfg-alexeyab/yolov4.cfg"))
    assert [(h.nms_kind, h.beta_nms, h.scale_x_y) for h in net.heads] == [
        ("greedynms", 0.6, 1.2), ("greedynms", 0.6, 1.1), ("greedynms", 0.6, 1.05),
    ]  # fmt: skip
    assert [h.anchors[0] for h in net.heads] == [(12, 16), (36, 75), (142, 110)]
    assert read_cfg(data("darknet/cfg-alexeyab/yolov4.cfg")).net.integer("mosaic") == 1
