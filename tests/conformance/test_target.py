"""Targets in a process of their own: that crash, hang, print, change their inputs, or return what is no answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from minidet.cli import main
from minidet.conformance import OPERATORS, Target, fingerprint
from minidet.errors import InputError

HERE = Path(__file__).parent
NMS = OPERATORS["nms"]


@pytest.fixture(autouse=True)
def _targets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def target(name: str, **options: object) -> Target:
    return Target(f"targets:{name}", boxes=NMS.boxes, **options)  # type: ignore[arg-type]


def inputs(name: str) -> dict:
    return next(v for v in NMS.vectors if v.name == name).cast("float32")


TIES = "three equal boxes and scores"


def test_conventions_of_code_written_by_hand():
    with target("nms", extra={"inclusive": True, "plus": 1.0}) as one:
        found = fingerprint(NMS, one)
    assert found.values["compare"] == ("inclusive",)
    assert found.values["compare_dtype"] == ("float64",)
    assert found.values["width"] == ("inclusive",)
    assert found.values["ties"] == ("highest",)
    assert found.values["nan_scores"] == ("first",)  # argsort puts it last, and turns that around
    assert not found.unexplained
    assert all(one.steady and not one.outcome.changed for one in found.seen)
    assert "py-faster-rcnn" in found.profiles()
    assert "torchvision-cpu" not in found.profiles()


def test_lists_and_another_format_of_boxes_and_a_target_that_prints():
    with target("nms_of_lists", arrays="list", form="xywh") as one:
        found = fingerprint(NMS, one)
    assert not found.unexplained
    assert found.values["compare"] == ("strict",)
    assert found.values["width"] == ("exclusive",)


def test_what_is_wrong_in_no_known_way_is_shown_with_its_input(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "targets:chained", "--op", "nms"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"nms\.output_order +none of the known", said)
    assert "unexplained: apart, the better one behind: answers [1]" in said
    assert "boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]], np.float32)" in said


def test_an_input_that_is_changed_and_an_answer_that_wavers_are_said(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "targets:spoils", "--op", "nms"]) == 0
    assert "changes its input boxes: " in capsys.readouterr().out
    assert main(["conform", "fingerprint", "targets:wavers", "--op", "nms"]) == 0
    assert (
        "not deterministic: apart, the better one behind: answers [1, 0], then answers [0, 1]"
        in capsys.readouterr().out
    )


def test_a_crash_is_an_outcome_and_the_next_call_works():
    with target("dies") as one:
        crash = one.call(inputs(TIES))
        assert crash.kind == "crashes"
        assert "SIGABRT" in crash.reason
        assert "ran away" in crash.reason
        assert one.call(inputs("two equal points")).kind == "answers"
        found = fingerprint(NMS, one)
    assert [seen.vector.name for seen in found.unexplained] == [TIES]
    assert found.values["ties"] == ()
    assert found.values["compare"] == ("strict",)


def test_a_call_that_never_returns_is_an_outcome():
    with target("sleeps", limit=1.0, first=1.0) as one:
        outcome = one.call(inputs(TIES))
        assert outcome.kind == "hangs"
        assert outcome.reason == "no answer within 1 s"
        assert one.call(inputs("two equal points")).kind == "answers"


@pytest.mark.parametrize(("name", "said"), [("gives_words", "not numbers"), ("gives_nothing", "returned None")])
def test_what_is_no_answer_is_refused(name: str, said: str):
    with target(name) as one, pytest.raises(InputError, match=f"refuses every input, .*{said}.* called as nms"):
        fingerprint(NMS, one)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("targets", "expected module:function"),
        ("no_such_module:f", "cannot be loaded: ModuleNotFoundError"),
        ("targets:no_such_name", "cannot be loaded: AttributeError"),
        ("targets:not_a_function", "is int, not a function"),
    ],
)
def test_a_target_that_is_not_there_is_one_line(name: str, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", name, "--op", "nms"]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--op", "colour"], "no operator is named 'colour'; there are iou, nms"),
        (["--op", "nms", "--with", "x"], "expected KEY=VALUE"),
        (["--op", "nms", "--limit", "0"], "expected seconds above 0"),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "targets:nms", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_kernels_own_conventions_as_json(capsys: pytest.CaptureFixture[str]):
    own = {
        "iou": "minidet_kernels.overlap:iou_matrix",
        "nms": "minidet_kernels.suppression:nms",
        "roi_align": "minidet_kernels.regions:roi_align",
        "max_pool2d": "minidet_kernels.pooling:max_pool2d",
        "resize": "minidet_kernels.resampling:resize",
    }
    for name, path in own.items():
        # where kernels are compiled first, on a busy machine, a call may take long
        assert main(["conform", "fingerprint", path, "--op", name, "--json", "--limit", "300"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert "minidet" in found["profiles"]
        assert not found["unexplained"]
        assert all(one["deterministic"] and not one["changes"] for one in found["evidence"])


def test_the_conventions_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "conventions", "nms"]) == 0
    said = capsys.readouterr().out
    assert "nms.compare: which overlap suppresses" in said
    assert "py-faster-rcnn" in said
    assert main(["conform", "conventions", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(OPERATORS)


def test_evidence_can_be_pasted(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "targets:nms", "--op", "nms", "--evidence"]) == 0
    said = capsys.readouterr().out
    block = said[said.index("# three equal boxes") :].partition("\n\n")[0]
    held: dict = {"np": np}
    exec(block, held)
    np.testing.assert_array_equal(held["boxes"], inputs(TIES)["boxes"])
    assert held["threshold"] == 0.5
