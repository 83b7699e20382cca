"""Modules, networks, losses, optimisers, files and detection, with the parameters on the stand-in's "device"."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from minidet_kernels.arrays import library
from support.close import assert_close
from support.tiny_darknet import tiny

import minidet.functions as F
from minidet import Tensor, detect_nan, nn, no_grad, watch
from minidet.boxes import convert
from minidet.boxes.yolo import encode_yolo
from minidet.darknet import DarknetNetwork, parse_cfg
from minidet.darknet.activations import ACTIVATIONS
from minidet.data.shapes import ShapesDataset
from minidet.detect import detect
from minidet.facts import facts
from minidet.models import build
from minidet.nn.fold import fold_batch_norm
from minidet.train.batches import batches
from minidet.train.loop import fit
from minidet.train.optim import SGD, Adam, AdamW, decay_groups
from minidet.train.yolo import YoloLoss
from minidet.train.yolo_assign import YoloGrid
from minidet.weights import darknet as darknet_weights
from minidet.weights import safetensors


def small() -> Any:
    return build("yolov3-shapes", width=4, size=32, rng=0)


def where(module: Any) -> set[str]:
    return {library(a) for a in module.state_dict().values()}


def same(module: Any, other: Any, **tolerance: Any) -> None:
    """Equal states, to the bit unless a tolerance is given."""
    mine, theirs = module.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    for name, a in mine.items():
        a, b = (x.get() if library(x) == "cupy" else x for x in (a, theirs[name]))
        assert_close(a, b, what=name, **tolerance) if tolerance else np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_module_goes_there_and_back(cupy: Any) -> None:
    model, before = small(), small()
    for p in model.parameters():
        p.grad = p.data
    assert model.to("cuda") is model
    assert where(model) == {"cupy"}
    assert all(p.grad is None for p in model.parameters())
    same(model, before)
    assert model.to("cuda").to("cpu") is model
    assert where(model) == {"numpy"}
    same(model, before)


def test_an_array_is_brought_to_the_parameters(cupy: Any) -> None:
    x = np.arange(3.0)
    host, device, bare = small(), small().to("cuda"), nn.Upsample(2)
    assert host.to_device(x) is x
    assert bare.to_device(x) is x
    there = device.to_device(x)
    assert library(there) == "cupy"
    assert device.to_device(there) is there
    np.testing.assert_array_equal(host.to_device(there), x)


def test_a_state_is_loaded_across_devices(cupy: Any) -> None:
    host, device = small(), build("yolov3-shapes", width=4, size=32, rng=1).to("cuda")
    device.load_state_dict(host.state_dict())
    assert where(device) == {"cupy"}
    same(device, host)
    again = build("yolov3-shapes", width=4, size=32, rng=2)
    again.load_state_dict(device.state_dict())
    assert where(again) == {"numpy"}
    same(again, host)


@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam", "adamw"])
def test_training_steps_are_those_on_the_host(optimiser: str, cupy: Any) -> None:
    def train(model: Any) -> list[float]:
        groups = decay_groups(model, 1e-3)
        made = {
            "sgd": lambda: SGD(groups, lr=1e-3),
            "nesterov": lambda: SGD(groups, lr=1e-3, momentum=0.9, nesterov=True),
            "adam": lambda: Adam(groups, lr=1e-3),
            "adamw": lambda: AdamW(model.parameters(), lr=1e-3),
        }[optimiser]()
        drawn = batches(list(ShapesDataset(4, seed=3, size=32)), 2, seed=0)
        scenes = ((x.astype(np.float64), truths) for x, truths in drawn)
        return fit(model, YoloLoss(YoloGrid.of(model)), scenes, made, steps=3)

    # In float64, so that another order of the same sums cannot be told from anything but an error.
    host, device = (small().astype(np.float64) for _ in range(2))
    device.to("cuda")
    expected, got = train(host), train(device)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert where(device) == {"cupy"}
    assert all(library(p.grad) == "cupy" for p in device.parameters())
    same(device, host, rtol=1e-7)


def test_a_safetensors_file_is_the_same_from_either_device(tmp_path: Any, cupy: Any) -> None:
    host, device = small(), small().to("cuda")
    safetensors.save(tmp_path / "host.safetensors", host)
    safetensors.save(tmp_path / "device.safetensors", device)
    assert (tmp_path / "host.safetensors").read_bytes() == (tmp_path / "device.safetensors").read_bytes()
    other = build("yolov3-shapes", width=4, size=32, rng=1).to("cuda")
    safetensors.load(tmp_path / "host.safetensors", other)
    assert where(other) == {"cupy"}
    same(other, host)


def test_darknet_weights_are_written_and_read_there(tmp_path: Any, cupy: Any) -> None:
    cfg, weights = tiny(tmp_path)
    device = DarknetNetwork(cfg, rng=5).to("cuda")
    darknet_weights.load(device, weights)
    assert where(device) == {"cupy"}
    darknet_weights.save(device, tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == weights.read_bytes()


def test_detection_runs_there_and_copies_the_image_and_the_maps_alone(
    cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, device = small(), small().to("cuda")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = detect(host, image, score=0.001)
    moved: list[str] = []
    get, asarray = cupy.ndarray.get, cupy.asarray

    def to_device(a: Any, *rest: Any, **options: Any) -> Any:
        if isinstance(a, np.ndarray) and a.ndim == 4:  # tables of indices, which have one axis, are made on the host
            moved.append("there")
        return asarray(a, *rest, **options)

    monkeypatch.setattr(cupy.ndarray, "get", lambda self: moved.append("back") or get(self))
    monkeypatch.setattr(cupy, "asarray", to_device)
    got = detect(device, image, score=0.001)
    assert moved == ["there", "back", "back"]  # the image, and the maps of two heads
    assert len(expected.boxes) > 0
    np.testing.assert_array_equal(got.labels, expected.labels)
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=1e-4)


HEADS = {
    "yolo": "[yolo]\nmask=0,1\nanchors=4,4, 10,14\nclasses=2\nnum=2\nscale_x_y=1.05",
    "new": "[yolo]\nmask=0,1\nanchors=4,4, 10,14\nclasses=2\nnum=2\nscale_x_y=2\nnew_coords=1",
    "region": "[region]\nanchors=1,1, 2,3\nclasses=2\nnum=2\nsoftmax=1\ncoords=4",
    "region without softmax": "[region]\nanchors=1,1, 2,3\nclasses=2\nnum=2\ncoords=4",
}
CONV = "[convolutional]\nfilters={0}\nsize=3\nstride=1\npad=1\nbatch_normalize={1}\nactivation={2}\n"


def network(text: str) -> Any:
    net = parse_cfg(f"[net]\nheight=8\nwidth=8\nchannels=3\n{text}\n", "net.cfg")
    return DarknetNetwork(net, rng=0).astype(np.float64).eval()


@pytest.mark.parametrize("head", HEADS)
def test_heads_are_decoded_there(head: str, cupy: Any) -> None:
    host, device = (network(CONV.format(14, 0, "logistic" if head == "new" else "linear") + HEADS[head]) for _ in "hd")
    device.to("cuda")
    x = np.random.default_rng(0).random((2, 3, 8, 8))
    with no_grad():
        expected = host.candidates([y.data for y in host(Tensor(x))])
        got = device.candidates([y.data for y in device(Tensor(device.to_device(x)))])
    for a, b in zip(got, expected, strict=True):
        assert (library(a.boxes), library(a.scores)) == ("cupy", "cupy")
        assert_close(a.boxes.get(), b.boxes, rtol=1e-6)
        assert_close(a.scores.get(), b.scores)


WIRING = (
    CONV.format(8, 1, "mish")
    + "[maxpool]\nsize=2\nstride=2\n"
    + "".join(CONV.format(8, int(i % 2), name) for i, name in enumerate(ACTIVATIONS))
    + "[shortcut]\nfrom=-3\nactivation=leaky\n[route]\nlayers=-1\ngroups=2\ngroup_id=1\n[upsample]\nstride=2\n"
    + "[reorg]\nstride=2\n[route]\nlayers=-1,-4\n[dropout]\nprobability=0.3\n[avgpool]\n"
    + "[scale_channels]\nfrom=-3\n[reorg3d]\nstride=2\n[local]\nfilters=4\nsize=2\nstride=1\nactivation=relu\n"
    + "[connected]\noutput=6\nbatch_normalize=1\nactivation=linear\n[softmax]\ngroups=2\n"
)


@pytest.mark.parametrize("training", [False, True])
def test_every_kind_of_layer_of_a_cfg_runs_there(training: bool, cupy: Any) -> None:
    x = np.random.default_rng(1).random((3, 3, 8, 8))
    results = []
    for there in (False, True):
        nn.init.seed(0)  # dropout draws from here
        net = network(WIRING).train(training)
        net = net.to("cuda") if there else net
        (y,) = net(Tensor(net.to_device(x)))
        F.sum(F.mul(y, y)).backward()
        results.append((y.numpy(), [p.grad for p in net.parameters()], net))
    (expected, gradients, host), (got, gradients_there, device) = results
    assert_close(got, expected)
    for a, b in zip(gradients_there, gradients, strict=True):
        assert_close(a.get(), b, rtol=1e-7, zero=1e-12)
    same(device, host, rtol=1e-9)


def test_batch_norm_is_folded_there(cupy: Any) -> None:
    rng = np.random.default_rng(0)
    conv, bn = nn.Conv2d(3, 4, 3, rng=0), nn.BatchNorm2d(4)
    bn.running_mean.data[...], bn.running_var.data[...] = rng.normal(size=4), rng.uniform(0.5, 2, 4)
    expected = fold_batch_norm(conv, bn)
    got = fold_batch_norm(conv.to("cuda"), bn.to("cuda"))
    for a, b in zip(got, expected, strict=True):
        assert_close(a.get(), b, rtol=1e-6)
    bn.running_var.data[2] = -1
    with pytest.raises(ValueError, match="channel 2 has the variance -1"):
        fold_batch_norm(conv, bn)


def test_the_facts_of_a_network_there(cupy: Any) -> None:
    assert facts(small().to("cuda")) == facts(small())


def test_hooks_watchers_and_the_search_for_nan_there(cupy: Any) -> None:
    x = Tensor(cupy.asarray(np.array([0.0, 4.0])), requires_grad=True)
    seen: list[str] = []
    x.register_hook(lambda g: seen.append(library(g)))
    with watch(lambda name, inputs, output: seen.append(name)):
        F.sum(F.mul(x, 2.0)).backward()
    assert seen == ["mul", "sum", "cupy"]
    np.testing.assert_array_equal(x.grad.get(), [2, 2])
    with detect_nan(), pytest.raises(FloatingPointError, match="log made 1 NaN or infinite values of 2"):
        F.log(x)


def test_operators_of_tensors_there(cupy: Any) -> None:
    x = Tensor(cupy.asarray(np.array([1.0, 2.0, 3.0])), requires_grad=True)
    y = (2 * x + x / 2 - 1 + 2**x + x**2 + abs(-x) + cupy.asarray(np.ones(3)) * x)[1:].sum()
    y.backward()
    assert y.item() == pytest.approx(4 + 1 - 1 + 4 + 4 + 2 + 2 + 6 + 1.5 - 1 + 8 + 9 + 3 + 3)
    assert float(y) == y.item()
    assert (x > 1.5).get().tolist() == [False, True, True]
    assert copy.deepcopy(x.data).get().tolist() == [1, 2, 3]


def test_boxes_are_converted_there(cupy: Any) -> None:
    boxes = np.array([[1.0, 2, 5, 9], [-3, 0, 2, 40]])
    forms = ("xyxy", "xywh", "cxcywh")
    for function in (getattr(convert, f"{a}_to_{b}") for a in forms for b in forms if a != b):
        np.testing.assert_array_equal(function(cupy.asarray(boxes)).get(), function(boxes))
    np.testing.assert_array_equal(convert.clip(cupy.asarray(boxes), (8, 6)).get(), convert.clip(boxes, (8, 6)))
    options = {"cell": np.array([[0.0, 1], [0, 1]]), "anchor": np.array([[4.0, 4], [9, 9]])}
    code = encode_yolo(boxes, **options, grid=(4, 4), size=(32, 32))
    there = {name: cupy.asarray(a) for name, a in options.items()}
    assert_close(
        np.nan_to_num(encode_yolo(cupy.asarray(boxes), **there, grid=(4, 4), size=(32, 32)).get()), np.nan_to_num(code)
    )


def test_an_rcnn_finds_the_same_there_and_has_gradients(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RoIAlign is a CUDA kernel there, for which the definition stands in, told of wrong devices by both its arrays."""
    import minidet.functions.regions as regions

    for name in ("roi_align_op", "roi_align_grad_x"):
        op = getattr(regions, name)

        def stand_in(*arrays: Any, op: Any = op, **options: Any) -> Any:
            given = [a for a in arrays if a is not None]
            if len({library(a) for a in given}) > 1:
                raise TypeError("arrays of two libraries")
            host = [a.get() if library(a) == "cupy" else a for a in given]
            made = op(*host, **options)
            return cupy.asarray(made) if library(given[0]) == "cupy" else made

        monkeypatch.setattr(regions, name, stand_in)
    options = {"classes": 3, "width": 1 / 16, "keypoints": 2, "size": (64, 96), "most": 5, "score": 0.2, "rng": 0}
    host, device = build("mask-rcnn-r18-fpn-small", **options), build("mask-rcnn-r18-fpn-small", **options)
    for model in (host, device):
        head = model.rpn.head.cls_logits
        head.weight.data[...] = np.random.default_rng(0).normal(0, 0.5, head.weight.shape)
    device.to("cuda")
    image = np.random.default_rng(1).integers(0, 256, (40, 70, 3)).astype("u1")
    here, there = (detect(model.eval(), image, score=0.2, names="abc") for model in (host, device))
    assert len(here) == len(there) > 0
    np.testing.assert_allclose(there.boxes, here.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(there.keypoints, here.keypoints, rtol=1e-4, atol=1e-3)
    assert [m["counts"] for m in (one["mask"] for one in here.to_dict()["detections"])]
    x = device.to_device(np.ascontiguousarray(image.transpose(2, 0, 1).astype("f4") / np.float32(255)))
    features = device.backbone(device.transform([x]).x)
    boxes = [np.array([[2, 2, 50, 40], [1, 1, 9, 9]], "f4")]
    parts = (*device.roi_heads.box(features, boxes), device.roi_heads.mask(features, boxes))
    sum((part * part).sum() for part in parts).backward()
    assert library(device.backbone.body.conv1.weight.grad) == "cupy"
