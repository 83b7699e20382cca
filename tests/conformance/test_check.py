"""A departure is found, is small, and is explained where a convention explains it; what is right conforms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import fast_nms, nms
from minidet_kernels.table import Op

from minidet.cli import main
from minidet.conformance import OPERATORS, Outcome, check, profiles

HERE = Path(__file__).parent
#: Our operators: the suite's name, the table's, and which arguments are arrays.
OWN = {
    "iou": ("iou_matrix", 2),
    "nms": ("nms", 2),
    "batched_nms": ("batched_nms", 3),
    "roi_align": ("roi_align", 2),
    "max_pool2d": ("max_pool2d", 1),
    "resize": ("resize", 1),
}


class Here:
    """A target in this process."""

    def __init__(self, function: Callable[..., Any], arrays: int) -> None:
        self.name, self.function, self.arrays = getattr(function, "__name__", "here"), function, arrays

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        names = list(inputs)
        answer = self.function(
            *(inputs[n] for n in names[: self.arrays]), **{n: inputs[n] for n in names[self.arrays :]}
        )
        return Outcome("answers", answer[0] if isinstance(answer, tuple) else answer)


def implementations() -> list[tuple[str, str]]:
    found = []
    for name, (own, _) in OWN.items():
        op: Op = OPS[own]
        found += [(name, rung) for rung in op.rungs("numpy")]
    return found


@pytest.mark.parametrize(("name", "rung"), implementations())
def test_every_implementation_of_ours_conforms_to_our_profile(name: str, rung: str):
    own, arrays = OWN[name]
    operator, op = OPERATORS[name], OPS[own]

    def here(*given: Any, **options: Any) -> Any:
        if op.refusal(rung, *given, **options):
            return op(*given, **options)  # another one takes what this one does not
        return op.using(rung)(*given, **options)

    verdict = check(operator, Here(here, arrays), operator.dialect(**profiles()["minidet"][name]), examples=60)
    assert verdict.word == "conforms", verdict.found
    assert verdict.tried >= 60


def at_most_one(boxes: Any, scores: Any, threshold: float) -> Any:
    return nms(boxes, scores, threshold=threshold)[:1]


def not_sorted(boxes: Any, scores: Any, threshold: float) -> Any:
    return nms(boxes, np.arange(len(scores), 0, -1).astype(np.float32), threshold=threshold)


def forgets_the_order(boxes: Any, scores: Any, threshold: float) -> Any:
    """Indices into the sorted boxes, not into those that were given."""
    order = np.argsort(-scores, kind="stable")
    return nms(boxes[order], scores[order], threshold=threshold)


def chains(boxes: Any, scores: Any, threshold: float) -> Any:
    """What is dropped drops."""
    return fast_nms(boxes, scores, threshold=threshold)


def neighbours_only(boxes: Any, scores: Any, threshold: float) -> Any:
    """Compares with the last one kept alone."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if not kept or not iou_matrix(boxes[kept[-1:]], boxes[i : i + 1])[0, 0] > np.float32(threshold):
            kept.append(int(i))
    return np.array(kept, np.int64)


def of_areas(boxes: Any, scores: Any, threshold: float) -> Any:
    """Intersection over the smaller area."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        for k in kept:
            sides = np.maximum(np.minimum(boxes[i, 2:], boxes[k, 2:]) - np.maximum(boxes[i, :2], boxes[k, :2]), 0)
            least = min((boxes[j, 2:] - boxes[j, :2]).prod() for j in (i, k))
            if least > 0 and sides.prod() / least > np.float32(threshold):
                break
        else:
            kept.append(int(i))
    return np.array(kept, np.int64)


@pytest.mark.parametrize("wrong", [at_most_one, not_sorted, forgets_the_order, chains, neighbours_only, of_areas])
def test_plain_bugs_are_found_with_three_boxes_at_most(wrong: Callable[..., Any]):
    operator = OPERATORS["nms"]
    verdict = check(operator, Here(wrong, 3), operator.dialect(**profiles()["minidet"]["nms"]), variants=False)
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert len(verdict.found.inputs["boxes"]) <= 3
    found, expects = verdict.found.outcome.answer, verdict.found.expects
    assert not operator.same(found, expects)  # type: ignore[arg-type]


FLIPS = [
    ("nms", {"compare": "inclusive"}),
    ("nms", {"width": "inclusive"}),
    ("nms", {"ties": "highest"}),
    ("nms", {"output_order": "index"}),
    ("nms", {"empty": "suppress"}),
    ("batched_nms", {"batching": "none"}),
    ("batched_nms", {"batching": "offset"}),
    ("iou", {"width": "inclusive"}),
    ("iou", {"empty": "nan"}),
    ("iou", {"format": "xywh"}),
    ("roi_align", {"aligned": "half_pixel"}),
    ("roi_align", {"min_size": "none"}),
    ("roi_align", {"outside": "zero"}),
    ("roi_align", {"reduction": "max_samples"}),
    ("max_pool2d", {"windows": "ceil_dropped"}),
    ("max_pool2d", {"padding_value": "zero"}),
    ("resize", {"sampling": "bilinear"}),
]


@pytest.mark.parametrize(("name", "flip"), FLIPS)
def test_another_convention_is_found_and_named(name: str, flip: dict[str, str]):
    """Of a target that follows it, checked against our profile."""
    operator = OPERATORS[name]
    dialect = operator.dialect(**profiles()["minidet"][name])

    def other(**inputs: Any) -> Any:
        return operator.reference(inputs, dialect | flip)

    verdict = check(operator, Here(other, 0), dialect)
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert flip in [dict(one) for one in verdict.found.flips]


@pytest.fixture
def _targets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.usefixtures("_targets_are_found")
@pytest.mark.parametrize(
    ("name", "profile", "said"),
    [
        ("nms", ["--profile", "torchvision-cpu"], "targets:nms diverges as nms"),
        ("dies", ["--profile", "torchvision-cpu"], "targets:dies crashes as nms"),
        ("wavers", [], "targets:wavers nondeterministic as nms"),
    ],
)
def test_the_command_ends_with_1_and_a_counterexample_to_paste(
    name: str, profile: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["conform", "check", f"targets:{name}", "--op", "nms", *profile]) == 1
    out = capsys.readouterr().out
    assert out.startswith(said)
    block = "\n".join(line for line in out.splitlines() if line.startswith(("boxes =", "scores =", "threshold =")))
    held: dict[str, Any] = {"np": np}
    exec(block, held)
    assert 1 <= len(held["boxes"]) <= 3


@pytest.mark.usefixtures("_targets_are_found")
def test_against_its_own_fingerprint_code_without_a_bug_conforms(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "check", "targets:nms", "--op", "nms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "conforms"
    assert found["tried"] == 200
    assert found["dialect"]["ties"] == "highest"
    assert main(["conform", "check", "targets:spoils", "--op", "nms"]) == 1
    assert "changes its input" in capsys.readouterr().out


def test_wrong_options_are_one_line(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "check", "targets:nms", "--op", "nms", "--profile", "nobody"]) == 2
    assert "for nms there are torchvision-cpu, minidet" in capsys.readouterr().err
    assert main(["conform", "check", "targets:nms", "--op", "nms", "--examples", "0"]) == 2
    assert "expected at least 1" in capsys.readouterr().err
