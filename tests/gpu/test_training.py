"""Networks on a GPU: the numbers of the host, and the same bytes from run to run."""

from __future__ import annotations

from typing import Any

import numpy as np
from minidet_kernels.arrays import library
from support.close import assert_close
from support.on_device import EXAMPLES
from support.tiny_run import trainer, weights

import minidet.functions as F
from minidet import Tensor, no_grad
from minidet.detect import detect
from minidet.models import build

STEPS = 3 if EXAMPLES >= 60 else 1
QUICK: dict[str, Any] = {"optimiser__lr": 1e-3, "data__path": "shapes:4:2"}


def on_host(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: a.get() if library(a) == "cupy" else a for name, a in arrays.items()}


def test_a_run_is_that_on_the_host(cupy: Any, tmp_path: Any) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        (tmp_path / device).mkdir()
        run = trainer(tmp_path / device, run__device=device, run__steps=STEPS, **QUICK)
        run.run()
        found[device] = on_host(weights(run))
    for name, a in found["cpu"].items():
        assert_close(found["cuda"][name], a, what=name, rtol=1e-3)  # float32, sums in other orders


def test_a_run_there_is_the_same_to_the_bit_again(cupy: Any, tmp_path: Any) -> None:
    found = []
    for number in "12":
        (tmp_path / number).mkdir()
        run = trainer(tmp_path / number, run__device="cuda", run__steps=STEPS, **QUICK)
        run.run()
        found.append(on_host(weights(run)))
    assert found[0].keys() == found[1].keys()
    for name, a in found[0].items():
        assert a.tobytes() == found[1][name].tobytes(), name


def test_gradients_of_repeated_indices_are_numpys_to_the_bit(cupy: Any) -> None:
    rng = np.random.default_rng(0)
    n = 100_000 if EXAMPLES >= 60 else 500
    x, index = rng.standard_normal((7, n), dtype=np.float32), rng.integers(0, 7, (300, n))
    found = []
    for move in (np.asarray, cupy.asarray, cupy.asarray):
        t = Tensor(move(x), requires_grad=True)
        F.sum(F.mul(F.gather(t, move(index), axis=0), move(index.astype(np.float32) / 3))).backward()
        assert t.grad is not None
        found.append(t.grad.get() if library(t.grad) == "cupy" else t.grad)
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_a_step_of_yolov3_tiny_is_the_same_to_the_bit_again(real: Any) -> None:
    """All layers of a real network: max pooling, upsampling, batch norm, at a size that fills the GPU."""
    model = build("yolov3-tiny", classes=3, size=416, rng=0).to("cuda")
    x = Tensor(real.asarray(np.random.default_rng(0).random((4, 3, 416, 416), dtype=np.float32)))
    found = []
    for _ in range(2):
        model.zero_grad()
        heads = model(x)
        total = F.sum(F.mul(heads[0], heads[0]))
        for head in heads[1:]:
            total = F.add(total, F.sum(F.mul(head, head)))
        total.backward()
        found.append([p.grad.get().tobytes() for p in model.parameters()])
    names = [name for name, _ in model.named_parameters()]
    assert [name for name, a, b in zip(names, *found, strict=True) if a != b] == []


def test_detection_finds_what_it_finds_on_the_host(cupy: Any) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    model = build("yolov3-shapes", width=4, size=32, rng=0)
    expected = detect(model, image, score=0.001)
    got = detect(model.to("cuda"), image, score=0.001)
    assert len(expected.boxes) > 0
    np.testing.assert_array_equal(got.labels, expected.labels)
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-3, atol=1e-2)


def test_yolov3_there_gives_the_maps_of_the_host(real: Any) -> None:
    model = build("yolov3", classes=80, size=416, rng=0).eval()
    x = np.random.default_rng(1).random((1, 3, 416, 416), dtype=np.float32)
    with no_grad():
        expected = [head.numpy() for head in model(Tensor(x))]
        got = [head.numpy() for head in model.to("cuda")(Tensor(real.asarray(x)))]
    for a, b in zip(got, expected, strict=True):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()
