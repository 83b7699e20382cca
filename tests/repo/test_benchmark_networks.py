"""The networks of the benchmarks: their cfgs, and that every program computes them."""

from __future__ import annotations

import sys
import types
import warnings

import numpy as np
import pytest
from support.realdata import data
from support.tree import ROOT

sys.path.insert(0, str(ROOT))  # the benchmarks are no part of the package

from benchmarks import programs
from benchmarks.cfgs import NETWORKS, cfg_text
from benchmarks.network import AGREES, check_maps, drawn_network, network_flops, peak_mb
from benchmarks.sections import pool_edges
from minidet import Tensor, nn, no_grad
from minidet.darknet import CfgWarning, DarknetNetwork
from minidet.weights import darknet

CONV = (
    "[convolutional]\nbatch_normalize={bn}\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={act}\n"
)
HEAD = "[yolo]\nmask=0\nanchors=4,4\nclasses=3\nnum=1\n"


def conv(filters, size, act, stride=1, bn=1):
    options = f"batch_normalize={bn}\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={act}\n"
    return "[convolutional]\n" + options


#: Every kind of section that the benchmarked networks have, on odd sizes: 27 x 21, 14 x 11, 28 x 22.
SMALL = "\n".join(
    [
        "[net]\nwidth=21\nheight=27\nchannels=3\n",
        conv(8, 3, "leaky"),
        conv(8, 3, "mish"),
        "[shortcut]\nfrom=-2\nactivation=linear\n",
        "[shortcut]\nfrom=-2\nactivation=linear\n",  # reads what the one before has added to
        "[maxpool]\nsize=2\nstride=2\n",
        conv(6, 1, "relu", bn=0),
        "[maxpool]\nsize=2\nstride=1\n",
        "[maxpool]\nsize=5\nstride=1\n",
        "[route]\nlayers=-1,-3\n",
        conv(8, 3, "linear", bn=0),
        conv(8, 1, "linear", bn=0),
        HEAD,
        "[route]\nlayers=-4\n",
        conv(4, 1, "leaky"),
        "[upsample]\nstride=2\n",
        conv(8, 3, "mish", stride=2),
        "[shortcut]\nfrom=-7\nactivation=linear\n",
        conv(8, 3, "linear", bn=0),
        HEAD,
    ]
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    cfg, weights = folder / "small.cfg", folder / "small.weights"
    cfg.write_text(SMALL)
    net = drawn_network(cfg)
    darknet.save(net, weights)
    x = np.random.default_rng(1).random((1, 3, 27, 21), dtype=np.float32)
    with no_grad():
        exact = [head.numpy() for head in drawn_network(cfg).astype(np.float64)(Tensor(x.astype(np.float64)))]
    assert [m.shape for m in exact] == [(1, 8, 14, 11)] * 2
    return cfg, weights, net, x, exact


OURS = [name for name in programs.PROGRAMS if programs.family(name) == "minidet"]
OTHERS = [name for name in programs.PROGRAMS if programs.family(name) != "minidet"]


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_computes_the_network(name, small):
    cfg, weights, _, x, exact = small
    assert check_maps("small", name, programs.PROGRAMS[name](cfg, weights)(x), exact) <= AGREES


@pytest.mark.oracle
@pytest.mark.parametrize("name", OTHERS)
def test_each_of_the_others_computes_the_network(name, small):
    cfg, weights, net, x, exact = small
    pytest.importorskip({"opencv": "cv2"}.get(programs.family(name), programs.family(name)))
    if programs.family(name) in programs.READ_ONNX:
        from benchmarks.onnx_twin import save

        save(net, programs.onnx_file(weights))
    forward = programs.PROGRAMS[name](cfg, weights)
    for _ in range(2):  # what a run leaves behind does no harm to the next
        assert check_maps("small", name, forward(x), exact) <= AGREES


@pytest.mark.oracle
def test_the_onnx_model_is_valid_and_has_a_node_for_each_kind_of_section(small):
    onnx = pytest.importorskip("onnx")
    from benchmarks.onnx_twin import OPSET, onnx_model

    model = onnx_model(small[2])
    onnx.checker.check_model(model, full_check=True)  # with the shapes that the outputs say
    assert [entry.version for entry in model.opset_import] == [OPSET]
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Conv", "LeakyRelu", "Relu", "Mish", "MaxPool", "Add", "Concat", "Resize"}


@pytest.mark.oracle
def test_a_section_without_a_node_is_refused_by_line(tmp_path):
    pytest.importorskip("onnx")
    from benchmarks.onnx_twin import onnx_model

    for number, extra in enumerate((conv(4, 1, "tanh"), "[reorg]\nstride=1\n")):
        cfg = tmp_path / f"odd{number}.cfg"
        cfg.write_text("[net]\nwidth=8\nheight=8\nchannels=3\n\n" + extra)
        with pytest.raises(ValueError, match=rf"odd{number}\.cfg:6.*ONNX twin has no"):
            onnx_model(drawn_network(cfg))


def test_the_edges_of_a_pool_reach_as_far_as_its_last_window(small):
    net = small[2]
    pools = [layer for layer in net.layers if layer.section.name == "maxpool"]
    assert [pool_edges(layer, (8, 27, 21)) for layer in pools] == [
        (2, 2, (0, 0), (1, 1)),  # 27 x 21: one row and one column beyond the map
        (2, 1, (0, 0), (1, 1)),
        (5, 1, (2, 2), (2, 2)),
    ]
    assert pool_edges(pools[0], (8, 26, 21))[3] == (0, 1)


def test_a_plan_is_run_where_there_is_one(small, monkeypatch):
    cfg, weights, _, x, exact = small

    class Plan:
        packed_bytes = 1234

        def __init__(self, net, weights="live"):
            self.net, self.weights = net, weights

        def __call__(self, x):
            assert self.weights == "frozen"
            with no_grad():
                return tuple(head.numpy() for head in self.net(Tensor(x)))

    module = types.ModuleType("minidet.plan")
    module.Plan = Plan
    monkeypatch.setitem(sys.modules, "minidet.plan", module)
    forward = programs._plan(cfg, weights, frozen=True)
    assert check_maps("small", "plan", forward(x), exact) <= AGREES
    assert forward.packed_bytes() == 1234


def test_the_peak_of_memory_is_that_of_a_process_of_its_own(small):
    cfg, weights, *_ = small
    ballast = np.ones(300_000_000, np.uint8)  # ours, not the other process's
    found = peak_mb("minidet, im2col", cfg, weights)
    assert 20 < found["peak_mb"] < ballast.nbytes / 1e6
    assert "packed_mb" not in found
    with pytest.raises(RuntimeError, match="failed in a process of its own"):
        peak_mb("minidet", cfg.with_name("absent.cfg"), weights)


REAL = {
    "yolov3": "cfg-pjreddie/yolov3",
    "yolov3-tiny": "cfg-pjreddie/yolov3-tiny",
    "yolov3-spp": "cfg-pjreddie/yolov3-spp",
    "yolov4": "cfg-alexeyab/yolov4",
}


def built(cfg, size):
    with nn.init.skipped(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        return DarknetNetwork(cfg, size=size)


def facts(net):
    options = ("activation", "batch_normalize", "mask", "anchors", "scale_x_y")
    return [
        (x.section.name, x.sources, x.shape, *(x.section.text(o, "").replace(" ", "") for o in options))
        for x in net.layers
    ]


@pytest.mark.parametrize("name", REAL)
def test_the_cfgs_written_here_are_those_in_use(name, tmp_path):
    path = tmp_path / "written.cfg"
    path.write_text(cfg_text(name, (64, 96)))
    assert facts(built(path, None)) == facts(built(data(f"darknet/{REAL[name]}.cfg"), (64, 96)))


def test_vgg16_has_the_maps_of_ssd300(tmp_path):
    path = tmp_path / "vgg16.cfg"
    path.write_text(cfg_text("vgg16", (300, 300)))
    net = built(path, None)
    assert net.classifier
    convolutions = [layer.shape for layer in net.layers if layer.section.name == "convolutional"]
    stages = ((64, 300, 2), (128, 150, 2), (256, 75, 3), (512, 38, 3), (512, 19, 3))
    assert convolutions == [(c, n, n) for c, n, count in stages for _ in range(count)]
    assert net.layers[-1].shape == (512, 10, 10)
    channels = [3, *(c for c, _, _ in convolutions)]
    products = sum(c * o * 9 * n * n for c, (o, n, _) in zip(channels, convolutions, strict=False))
    assert network_flops(net, (300, 300)) == 2 * products
    assert 2 * products == pytest.approx(55.63e9, rel=1e-3)


def test_every_network_can_be_written_and_drawn(tmp_path):
    for name in NETWORKS:
        path = tmp_path / f"{name}.cfg"
        path.write_text(cfg_text(name, (32, 32)))
        assert built(path, None).size == (32, 32)
