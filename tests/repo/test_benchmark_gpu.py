"""Benchmarks on a GPU, without one: rotation, medians, ratios, bytes; the whole of it on the stand-in for CuPy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import cuda, cuda_on_cpu
from support.cuda_launches import OnCpu
from support.strict_cupy import strict_cupy

from benchmarks import gpu, gpu_clock, gpu_work
from benchmarks.__main__ import main
from benchmarks.cfgs import cfg_text
from benchmarks.gpu_clock import Candidate, copies, geometric_mean, in_turns, rounds, summary
from benchmarks.measure import Timing
from benchmarks.sizes import SIZES


class Clock:
    """A stream whose events are scripted: a call takes what ``takes(call)`` says, and its launch ``launch`` more."""

    def __init__(self, takes: Callable[[Any], float], *, captures: bool = True, launch: float = 0.0) -> None:
        self.takes, self.captures, self.launch = takes, captures, launch
        self.now, self.made, self.graphs = 0.0, list[Any](), list[int]()

    def wrap(self, call: Any) -> Any:
        def timed() -> Any:
            self.made.append(call)
            self.now += self.takes(call) + (0.0 if self.in_graph else self.launch)
            return call()

        return timed

    in_graph = False

    def capture(self, calls: Sequence[Any]) -> Any:
        if not self.captures:
            return None
        self.graphs.append(len(calls))

        def replay() -> None:
            self.in_graph = True
            for call in calls:
                call()
            self.in_graph = False

        return replay

    def seconds(self, call: Any) -> float:
        before = self.now
        call()
        return self.now - before


@given(each=st.floats(0, 1e10), cache=st.floats(1e6, 1e8), free=st.floats(1e9, 1e11))
def test_copies_are_more_than_the_cache_or_as_many_as_may_be(each: float, cache: float, free: float) -> None:
    count = copies(each, cache, free)
    assert 1 <= count <= gpu_clock.MOST_COPIES
    assert count * each <= max(each, free / 2)
    if count < gpu_clock.MOST_COPIES and (count + 1) * each <= free / 2:
        assert count * each >= 2 * cache
        assert gpu_clock.beyond_cache(each, count, cache)
    assert count == 1 or (count - 1) * each < 2 * cache  # and no more than that


def test_copies_of_known_sizes() -> None:
    assert copies(4e8, 6e7, 1e11) == 1
    assert copies(6e7, 6e7, 1e11) == 2
    assert copies(5e6, 6e7, 1e11) == 24
    assert copies(16e3, 6e7, 1e11) == 64
    assert not gpu_clock.beyond_cache(16e3, 64, 6e7)
    assert copies(6e9, 6e10, 1.3e10) == 1  # not more than memory has


@given(st.floats(1e-7, 10), st.integers(1, 64))
def test_rounds_last_long_enough_and_end(seconds: float, count: int) -> None:
    found = rounds(seconds, count)
    assert found * count <= max(gpu_clock.MOST_CALLS, count)
    assert found * seconds >= gpu_clock.SHORTEST or (found + 1) * count > gpu_clock.MOST_CALLS


def test_every_copy_takes_its_turn_in_one_graph() -> None:
    clock = Clock(lambda call: 1e-3, launch=5e-3)
    calls = [clock.wrap(lambda: None) for _ in range(3)]
    found = in_turns({"a": Candidate(clock, calls)}, repeats=4)["a"]
    assert found.how == "graph"
    assert found.timing.median == pytest.approx(1e-3)  # of one call, and without its launch
    assert found.timing.turns == 4
    (length,) = clock.graphs
    assert length % 3 == 0
    assert clock.made[-length:] == clock.made[-3:] * (length // 3)  # round and round
    assert len(set(map(id, clock.made[-3:]))) == 3


def test_what_cannot_be_captured_is_timed_with_its_launches_and_says_so() -> None:
    clock = Clock(lambda call: 1e-3, captures=False, launch=5e-3)
    found = in_turns({"a": Candidate(clock, [clock.wrap(lambda: None)])}, repeats=3)["a"]
    assert found.how == "launches"
    assert found.timing.median == pytest.approx(6e-3)


def test_the_median_is_not_moved_by_one_slow_turn() -> None:
    assert summary([1.0, 1.0, 9.0, 1.0, 1.0]).median == 1.0
    assert summary([1.0, 2.0, 3.0, 4.0, 5.0]) == Timing(3.0, pytest.approx(2 / 3), 5)


def test_candidates_shift_by_one_each_turn() -> None:
    order: list[str] = []
    clock = Clock(lambda call: 1.0)
    made = {name: Candidate(clock, [clock.wrap(lambda name=name: order.append(name))]) for name in "abc"}
    in_turns(made, repeats=3)
    assert "".join(order[-9:]) == "abcbcacab"


def test_geometric_mean() -> None:
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    for wrong in ([], [1.0, 0.0]):
        with pytest.raises(ValueError, match="geometric mean"):
            geometric_mean(wrong)


def test_the_layers_are_those_of_yolov3(tmp_path: Path) -> None:
    from minidet import nn
    from minidet.darknet import DarknetNetwork

    (tmp_path / "y.cfg").write_text(cfg_text("yolov3", (416, 416)))
    with nn.init.skipped():
        net = DarknetNetwork(tmp_path / "y.cfg")
    shapes = net.shapes((416, 416))
    found = set()
    for layer, shape in zip(net.layers, shapes, strict=True):
        if hasattr(layer, "conv"):
            (o, c, k, _), s = layer.conv.weight.shape, layer.section.integer("stride", 1)
            found.add((shape[1] * s, c, o, k, s))
    assert set(gpu_work.YOLOV3) == found
    assert len(gpu_work.YOLOV3) == len(found)


def test_bytes_and_operations_of_a_convolution() -> None:
    size = gpu_work.convolution("conv2d", 26, 256, 512, 3, 2)
    assert size.flops == 2 * 16 * 13 * 13 * 512 * 256 * 9
    assert size.bytes == 4 * (16 * 256 * 26 * 26 + 512 * 256 * 9 + 16 * 512 * 13 * 13)
    (x, w), options = size.draw(np.random.default_rng(0))
    assert (x.shape, w.shape, options) == ((16, 256, 26, 26), (512, 256, 3, 3), {"stride": 2, "padding": 1})
    assert gpu_work.sizes("iou_matrix")["10,000 x 10,000"].bytes == 4e8 + 32e4


def test_precision_by_name() -> None:
    names = {
        "mma_tf32": "tf32", "mma_bf16": "bf16", "mma_f16": "f16", "registers": "float32", "numba_cuda": "float32",
        "torch, tf32, channels last": "tf32", "torch, float32": "float32", "torch, bf16": "bf16",
        "torchvision": "float32",
    }  # fmt: skip
    assert {name: gpu_work.precision(name) for name in names} == names


def row(name: str, ms: float, *, ours: bool, share: float = 0.0) -> dict[str, Any]:
    return {"name": name, "ms": ms, "ours": ours, "share_of_copy": share}


def test_targets_compare_equal_precisions_by_the_geometric_mean() -> None:
    results = [
        {"operator": "conv2d", "size": size, "candidates": [
            row("registers", mine, ours=True), row("mma_tf32", 0.1, ours=True), row("naive", 99.0, ours=True),
            row("torch, float32", 5.0, ours=False), row("torch, float32, channels last", theirs, ours=False),
            row("torch, tf32", 0.3, ours=False),
        ]}
        for size, mine, theirs in (("a", 1.0, 2.0), ("b", 2.0, 1.0), ("c", 1.0, 1.0))
    ]  # fmt: skip
    targets = {target.work: target.judge(results) for target in gpu_work.TARGETS}
    assert targets["convolution, float32, cuDNN's"] == (pytest.approx(1.0), True)
    assert targets["convolution, tf32, cuDNN's"] == (pytest.approx(3.0), True)
    assert targets["convolution, bf16, cuDNN's"] is None
    assert targets["RoIAlign"] is None
    iou = {"operator": "iou_matrix", "size": "10,000 x 10,000", "candidates": [
        row("wide", 1.0, ours=True, share=0.69), row("torchvision", 9.0, ours=False, share=0.1),
    ]}  # fmt: skip
    small = iou | {"size": "1,000 x 1,000", "candidates": [row("wide", 1.0, ours=True, share=0.9)]}
    found = {one["target"]: (one["ratio"], one["met"]) for one in gpu.verdicts([iou, small])}
    assert found == {
        "IoU 10,000 x 10,000, of copying": (pytest.approx(0.69), False),
        "IoU 10,000 x 10,000, torchvision's": (pytest.approx(9.0), False),
    }


class Fake:
    """Hardware of the stand-in for CuPy: what is computed is right, and what it takes is scripted."""

    name, cache, copy_rate = "a fake of a GPU", 1e4, 1e9

    def __init__(self, cupy: Any, wrong: bool = False) -> None:
        self.cupy, self.wrong = cupy, wrong
        self.moved = 0
        self.stream = Plain(1e-3)
        self.others_stream = Plain(4e-3)

    def put(self, x: Any) -> Any:
        self.moved += isinstance(x, np.ndarray)
        return self.cupy.asarray(x) if isinstance(x, np.ndarray) else x

    def free(self) -> float:
        return 1e9

    def without_numba(self) -> str:
        return "is not tried here"

    def peers(self, operator: str) -> Any:
        from minidet_kernels import OPS

        def make(*args: Any, **options: Any) -> Any:
            result = OPS[operator].definition(*(a.get() for a in args), **options)
            return lambda: result + self.wrong

        return {"torch": make, "torchvision": make}


class Plain:
    def __init__(self, takes: float) -> None:
        self.takes, self.calls = takes, 0

    def capture(self, calls: Sequence[Any]) -> Any:
        return lambda: [call() for call in calls[:1]] and self._count(len(calls))

    def _count(self, n: int) -> None:
        self.calls = n

    def seconds(self, call: Any) -> float:
        self.calls = 1
        call()
        return self.takes * self.calls


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Sizes that the CPU is done with."""
    if not cuda_on_cpu.available():
        pytest.skip("CUDA C on the CPU needs g++, which is not here")
    monkeypatch.setattr(gpu, "sizes", lambda operator: {"40 x 40": gpu_work._square(40)})
    with strict_cupy(OnCpu(schedule="forward")) as module:
        yield module


def test_a_whole_run_on_the_stand_in(small: Any, tmp_path: Path, capsys: Any) -> None:
    fake, out = Fake(small), tmp_path / "found.json"
    status = gpu.measure_all(
        fake, ["iou_matrix"], targets=False, wanted=[], against=["torchvision"], repeats=3, where=out
    )
    assert status == 0, capsys.readouterr().err
    document = json.loads(out.read_text())
    (result,) = document["results"]
    moved = 4 * 40 * 40 + 2 * 16 * 40
    assert result["copies"] == -(-2 * int(fake.cache) // moved) == fake.moved / 2
    rows = {one["name"]: one for one in result["candidates"]}
    assert {"cuda", "wide", "blocks", "torchvision"} <= rows.keys()
    assert "torch" not in rows
    assert rows["wide"]["ms"] == pytest.approx(1.0)
    assert rows["torchvision"]["ratio"] == pytest.approx(4.0)
    assert rows["wide"]["gb_s"] == pytest.approx(moved / 1e-3 / 1e9)
    assert rows["wide"]["share_of_copy"] == pytest.approx(moved / 1e-3 / 1e9)
    assert all(one["error"] == 0 for one in rows.values())
    assert document["machine"]["gpu"] == fake.name
    assert "copies in turn" in capsys.readouterr().out


def test_what_is_wrong_is_not_timed(small: Any, capsys: Any) -> None:
    arguments: dict[str, Any] = {"targets": False, "wanted": [], "against": ["torch"], "repeats": 1, "where": None}
    assert gpu.measure_all(Fake(small, wrong=True), ["iou_matrix"], **arguments) == 1
    out, err = capsys.readouterr()
    assert "iou_matrix by torch (40 x 40): relative error" in err
    assert "40 x 40" not in out


@pytest.mark.parametrize("words", [["iou_matrix"], ["targets"], []])
def test_without_a_gpu_one_line_says_so(words: list[str], capsys: Any) -> None:
    if not isinstance(cuda.gpu(), str):
        pytest.skip("there is a GPU")
    assert main([*words, "--device", "cuda"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("benchmarks --device cuda: no GPU here (needs ")
    assert err.endswith("): nothing was measured\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["yolov3"], ["targets", "nms"], ["coco_eval"], ["conv2d", "--sizes", "31x31"]])
def test_what_it_does_not_measure_there(words: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--device", "cuda"])
    assert stop.value.code == 2
    assert "--device cuda: takes operators" in (err := capsys.readouterr().err) or "--sizes 31x31: none of" in err


def test_every_target_has_an_operator_and_a_size() -> None:
    for target in gpu_work.TARGETS:
        assert target.operator in SIZES
        assert any(target.size in label for label in gpu_work.sizes(target.operator)), target


@pytest.mark.oracle
@pytest.mark.parametrize("operator", ["conv2d", "conv2d_grad_x", "conv2d_grad_w"])
def test_torchs_convolutions_are_ours_in_every_setting(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, where torch computes the same calls; tf32 is only a GPU's."""
    torch = pytest.importorskip("torch")
    from benchmarks.gpu_peers import peers

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)  # put back afterwards
    monkeypatch.setattr(gpu_work, "BATCH", 2)
    args, options = gpu_work.convolution(operator, 12, 8, 16, 3, 2).draw(np.random.default_rng(0))
    expected = gpu.reference(operator, args, options)
    before = torch.backends.cudnn.allow_tf32
    for name, make in peers(operator).items():
        error = gpu._checked(operator, "small", name, make(*args, **options)(), expected)
        assert error > 1e-4 or gpu_work.precision(name) in ("float32", "tf32"), (name, error)
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.oracle
def test_torchvisions_boxes_are_ours() -> None:
    pytest.importorskip("torchvision")
    from benchmarks.gpu_peers import peers

    for operator, size in (("iou_matrix", gpu_work._square(50)), ("batched_nms", gpu_work._suppression(300, 15, 80))):
        args, options = size.draw(np.random.default_rng(0))
        for name, make in peers(operator).items():
            gpu._checked(operator, "small", name, make(*args, **options)(), gpu.reference(operator, args, options))
