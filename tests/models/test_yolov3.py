"""YOLOv3 and its kin, written in Python, are the networks of the cfgs of their names."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from support.darknet_nets import images, randomise
from support.realdata import REPOSITORY, data

from minidet import Tensor, models, nn, no_grad
from minidet.darknet import DarknetNetwork
from minidet.errors import InputError
from minidet.models.yolov3 import YOLOv3
from minidet.weights import darknet as weights


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny", "yolov3-spp"])
def test_equal_to_the_cfg_with_the_same_weights(name, tmp_path):
    # the coarsest map must be larger than the pyramid pool's windows of 5 and 9, or they see the same
    n, size = (1, (224, 256)) if name == "yolov3-spp" else (2, (64, 96))
    with nn.init.skipped():
        plain = models.build(name, size=size)
        cfg = DarknetNetwork(data(f"darknet/cfg-pjreddie/{name}.cfg"), size=size).eval()
    x = images(np.random.default_rng(1), n, 3, size)
    randomise(plain, np.random.default_rng(2), x)
    path = tmp_path / "net.weights"
    weights.save(plain, path)
    weights.load(cfg, path)
    path.unlink()
    assert plain.heads == cfg.heads
    assert plain.size == cfg.size
    with no_grad():
        ours, theirs = plain(Tensor(x)), cfg(Tensor(x))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.data.std() > 0.5
        np.testing.assert_array_equal(a.data, b.data)
    for a, b in zip(*(m.candidates([t.data for t in ours]) for m in (plain, cfg)), strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.scores, b.scores)


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny", "yolov3-spp"])
def test_the_order_of_the_weights_is_the_order_of_the_cfg(name):
    with nn.init.skipped():
        plain = models.build(name)
        cfg = DarknetNetwork(data(f"darknet/cfg-pjreddie/{name}.cfg"))
    ours, theirs = (
        [[(what, tensor.shape) for what, tensor in slot.parts] for slot in weights.slots(m)] for m in (plain, cfg)
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["yolov3", "yolov3-tiny", "yolov3-spp"])
def test_gradients_reach_every_parameter_of_a_thin_one(name):
    model = models.build(name, classes=2, width=1 / 16, size=64, rng=0).train()
    heads = model(Tensor(images(np.random.default_rng(1), 2, 3, (64, 64))))
    assert [h.shape for h in heads] == [(2, 21, 64 // s, 64 // s) for s in (32, 16, 8)[: len(heads)]]
    total = sum(((h * h).sum() for h in heads[1:]), (heads[0] * heads[0]).sum())
    total.backward()
    for parameter_name, p in model.named_parameters():
        assert p.grad is not None, parameter_name
        assert np.isfinite(p.grad).all(), parameter_name
        assert np.abs(p.grad).max() > 0, parameter_name


def test_sizes_and_names():
    with nn.init.skipped():
        assert models.build("yolov3", width=1 / 32).size == (416, 416)
        model = models.build("yolov3-tiny", classes=3, size=(96, 64), width=1 / 8)
    assert (model.size, model.classes, model.heads[0].channels) == ((96, 64), 3, 24)
    with no_grad():
        coarse, fine = model.eval()(Tensor(np.zeros((1, 3, 128, 160), np.float32)))
    assert (coarse.shape, fine.shape) == ((1, 24, 4, 5), (1, 24, 8, 10))
    with pytest.raises(ValueError, match="both sides multiples of 32"):
        model(Tensor(np.zeros((1, 3, 100, 160), np.float32)))
    with pytest.raises(ValueError, match="maps for a network of 2 heads"):
        model.candidates([coarse.data])
    with pytest.raises(InputError, match=r"no model is named 'yolo3'; there are yolov3, .*did you mean 'yolov3'"):
        models.build("yolo3")
    with pytest.raises(InputError, match="expected height and width to be multiples of 32"):
        models.build("yolov3", size=100)
    with pytest.raises(InputError, match="expected at least 1"):
        models.build("yolov3", classes=0)


def test_a_forward_of_darknet53_that_reads_its_names():
    names = [name for name, _ in YOLOv3(width=1 / 32, rng=0).named_parameters()]
    assert names[0] == "backbone.stem.conv.weight"
    assert "backbone.stage5.blocks.3.expand.bn.bias" in names
    assert "fine_head.raw.bias" in names


def test_building_for_weights_that_are_loaded_next_is_fast():
    begun = time.process_time()
    with nn.init.skipped():
        models.build("yolov3")
    assert time.process_time() - begun < 0.5  # drawing 62 million numbers takes longer


PEAK = """
import re
from pathlib import Path
import numpy as np
from minidet import Tensor, models, no_grad
model = models.build("yolov3", size=416, rng=0).eval()
x = np.random.default_rng(0).random((1, 3, 416, 416), dtype=np.float32)
with no_grad():
    heads = model(Tensor(x))
assert [h.shape for h in heads] == [(1, 255, s, s) for s in (13, 26, 52)]
assert all(np.isfinite(h.data).all() for h in heads)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, since ru_maxrss begins with that of the parent")
def test_yolov3_at_416_takes_less_than_1_gb_in_all():
    done = subprocess.run(
        [sys.executable, "-c", PEAK],
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'kernels'}", "PATH": "", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 260_000 < int(done.stdout) < 1_000_000  # the parameters alone are 248 MB
