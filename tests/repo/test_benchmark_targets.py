"""The arithmetic of what the benchmarks conclude, on timings that are made up."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import iou_matrix
from support.tree import ROOT

sys.path.insert(0, str(ROOT))  # the benchmarks are no part of the package

from benchmarks.ceilings import _in_parts, copying, filling
from benchmarks.measure import Timing, in_turns
from benchmarks.network import best_of_others, check_maps, over_limits, runs
from benchmarks.operators import DisagreementError, by_bytes, traffic
from benchmarks.sizes import boxes
from benchmarks.targets import Verdict, labels, verdict


def timings(**milliseconds):
    return {name: Timing(ms / 1e3, 0.01 * i, 7) for i, (name, ms) in enumerate(milliseconds.items())}


def test_a_verdict_holds_ours_against_the_fastest_of_the_others():
    found = verdict("work", timings(slow=30.0, ours=2.0, fast=9.0), "ours", 4.5)
    assert (found.peer, found.ours, found.theirs) == ("fast", pytest.approx(2.0), pytest.approx(9.0))
    assert found.ratio == pytest.approx(4.5)
    assert found.spread == pytest.approx(0.02)  # the larger of ours and of the peer's
    assert found.note == "slow 30.000 ms"
    data = found.as_data()
    assert (data["target"], data["ratio"], data["met"]) == ("work", found.ratio, found.met)


@pytest.mark.parametrize(("ours", "theirs", "least", "met"), [(1, 2, 2, True), (1, 1.99, 2, False), (3, 2, 0.6, True)])
def test_a_target_is_met_from_the_ratio_asked(ours, theirs, least, met):
    found = Verdict("memory", ours, "them", theirs, least, unit="MB")
    assert found.met is met
    assert ("met" in found.line(), "missed" in found.line()) == (met, not met)


def row(name, ms, **more):
    return {"name": name, "ms": ms, **more}


def test_the_best_of_the_others_is_none_of_ours():
    rows = [row("minidet", 20.0), row("minidet, plan", 8.0), row("torch", 16.0), row("torch, folded", 12.0)]
    best = best_of_others(rows, "minidet, plan")
    assert (best["name"], best["times_as_fast"]) == ("torch, folded", pytest.approx(1.5))
    assert best_of_others(rows, "minidet")["times_as_fast"] == pytest.approx(0.6)
    assert best_of_others(rows[:2], "minidet") is None


def test_the_plan_is_what_runs_where_there_is_one():
    assert runs(["minidet", "minidet, folded", "torch"]) == "minidet"
    assert runs(["minidet", "minidet, plan", "minidet, plan, frozen"]) == "minidet, plan"


def test_limits_hold_for_the_layers_and_against_plain_torch():
    def result(ms, torch_ms, peak):
        rows = [row("minidet", ms, peak_mb=peak), row("torch", torch_ms), row("torch, folded", 1.0)]
        return {"operator": "yolov3", "size": "416 x 416, batch 1", "candidates": rows}

    assert over_limits(result(299.0, 100.0, 999.0)) == []
    assert len(over_limits(result(301.0, 100.0, 1001.0))) == 2


def test_bytes_and_the_share_of_writing():
    a, b = np.zeros((3, 4), np.float32), np.zeros((5, 4), np.float32)
    assert traffic((a, b), (np.zeros((3, 5)), np.zeros(2, np.int64))) == 48 + 80 + 120 + 16
    assert by_bytes(Timing(0.5, 0.0, 3), 4e9, 16e9) == {"gb_s": 8.0, "share_of_write": 0.5}
    assert by_bytes(Timing(0.5, 0.0, 3), 0.0, 0.0) == {}


def test_maps_that_are_off_are_not_timed():
    reference = [np.linspace(-1, 1, 60).reshape(1, 3, 4, 5)]
    assert check_maps("net", "it", [reference[0].astype(np.float32)], reference) < 1e-6
    half_precision = reference[0] * (1 + 2.0**-9)  # what bfloat16 would do
    nothing = np.full_like(reference[0], np.nan)
    for maps in ([half_precision], [nothing], [reference[0][:, :2]], [], reference * 2):
        with pytest.raises(DisagreementError, match="net by it"):
            check_maps("net", "it", maps, reference)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_the_parts_of_the_threads_are_the_whole_and_do_not_overlap(count, size):
    written = np.zeros(size, int)

    def work(start, stop):
        written[start:stop] += 1

    _in_parts(count, size, work)()
    assert (written == 1).all()


@pytest.mark.parametrize("count", [1, 2])
def test_filling_and_copying_do_what_they_say_and_count_their_bytes(count):
    source, target = np.random.default_rng(0).integers(0, 99, (2, 1003), np.uint8)
    call, size = copying(count, source, target)
    call()
    assert size == 2 * 1003
    np.testing.assert_array_equal(source, target)
    call, size = filling(count, target)
    call()
    assert size == 1003
    assert (target == target[0]).all()
    assert target[0] != 0


def test_candidates_take_turns_and_begin_with_a_pause_and_a_call_that_is_not_timed(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.measure.time.sleep", lambda seconds: calls.append(" "))
    monkeypatch.setattr("benchmarks.measure.SHORTEST", 0.0)  # one call a turn
    found = in_turns({name: (lambda name=name: calls.append(name)) for name in "abc"}, repeats=3)
    assert {name: timing.turns for name, timing in found.items()} == {"a": 3, "b": 3, "c": 3}
    assert "".join(calls) == "abc aa bb cc bb cc aa cc aa bb"


def test_a_long_call_is_not_made_in_vain(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.measure.WARM", 0.0)
    monkeypatch.setattr("benchmarks.measure.SHORTEST", 0.0)
    in_turns({"a": lambda: calls.append("a")}, repeats=3)
    assert len(calls) == 1 + 3


def test_labels_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    anchors, truths = boxes(rng, 400), boxes(rng, 7)
    anchors[:3] = truths[:3] + np.float32(1.0)  # these overlap much
    m = iou_matrix(anchors, truths)
    expected = np.where(m.max(axis=1) >= 0.5, m.argmax(axis=1), np.where(m.max(axis=1) < 0.4, -1, -2))
    for truth in range(7):
        best = m[:, truth].argmax()
        expected[best] = m[best].argmax()
    np.testing.assert_array_equal(labels(anchors, truths), expected)
    assert m.max(axis=0).min() < 0.4  # a truth that has an anchor only because it is the best
    assert {-1, 0} <= set(expected)


@pytest.mark.oracle
def test_labels_are_those_of_torchvision():
    torch = pytest.importorskip("torch")
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    rng = np.random.default_rng(1)
    anchors, truths = boxes(rng, 3000), boxes(rng, 40)
    overlaps = box_iou(torch.from_numpy(truths), torch.from_numpy(anchors))
    theirs = Matcher(0.5, 0.4, allow_low_quality_matches=True)(overlaps).numpy()
    np.testing.assert_array_equal(labels(anchors, truths), theirs)
    assert {-2, -1} < set(theirs.tolist())
