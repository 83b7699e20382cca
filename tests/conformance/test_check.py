"""A departure is found, is small, and is explained where a convention explains it; what is right conforms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.suppression import fast_nms, nms
from support.own_targets import Here, implementations, target

from minidet.cli import main
from minidet.conformance import OPERATORS, Operator, Outcome, check, profiles
from minidet.conformance.check import word

HERE = Path(__file__).parent


@pytest.mark.parametrize(("name", "rung"), implementations())
def test_every_implementation_of_ours_conforms_to_our_profile(name: str, rung: str):
    operator = OPERATORS[name]
    verdict = check(operator, target(name, rung), operator.dialect(**profiles()["minidet"][name]), examples=60)
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

    verdict = check(operator, Here(other, 0), dialect, variants=False)
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert flip in [dict(one) for one in verdict.found.flips]


def test_a_variant_is_one_that_explains_everything():
    operator = OPERATORS["nms"]
    dialect = operator.dialect(**profiles()["minidet"]["nms"])
    both = {"compare": "inclusive", "width": "inclusive"}  # each alone explains some input, and not all

    def follows(flip: dict[str, str]) -> Here:
        return Here(lambda **inputs: operator.reference(inputs, dialect | flip), 0)

    one = check(operator, follows({"width": "inclusive"}), dialect)
    assert (one.word, one.found and [dict(flip) for flip in one.found.flips]) == (
        "conforms to a variant",
        [{"width": "inclusive"}],
    )
    assert check(operator, follows(both | {"ties": "highest"}), dialect).word == "diverges"


def test_another_order_of_ties_is_legal_where_the_operator_says_so():
    """Of sorting by score: the dialect's reference has one order, and any is right."""
    scores = np.array([0.5, 0.25, 0.5])

    def legal(inputs: Any, dialect: Any, found: Any) -> str:
        ranked = inputs["scores"][found]
        return "unspecified" if sorted(found) == list(range(len(ranked))) and (np.diff(ranked) <= 0).all() else ""

    ranking = Operator("nms", "", lambda inputs, _: np.argsort(-inputs["scores"], kind="stable"), (), legal=legal)
    given = {"scores": scores}
    for answer, said in (([0, 2, 1], "conforms"), ([2, 0, 1], "unspecified"), ([0, 1, 2], "diverges")):
        outcome = Outcome("answers", np.array(answer))
        assert word(ranking, {}, given, outcome, outcome) == said
    spoilt = Outcome("answers", np.array([2, 0, 1]), changed=("scores",))
    assert word(ranking, {}, given, spoilt, spoilt) == "changes its input"
    found = check(ranking, Here(lambda boxes, scores, threshold: np.lexsort((-np.arange(len(scores)), -scores)), 3), {
        "sorting": "any", **OPERATORS["nms"].dialect()
    })  # fmt: skip
    assert found.word == "unspecified"
    assert found.unspecified > 0


def test_inputs_can_be_left_out_and_are_counted():
    operator = OPERATORS["nms"]
    dialect = operator.dialect(**profiles()["minidet"]["nms"])
    wrong = Here(at_most_one, 3)
    verdict = check(operator, wrong, dialect, examples=50, skip=lambda one: "several" if len(one["boxes"]) > 1 else "")
    assert (verdict.word, verdict.found) == ("conforms", None)
    assert 0 < verdict.left_out["several"] < verdict.tried


@pytest.fixture
def _targets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.usefixtures("_targets_are_found")
@pytest.mark.parametrize(
    ("name", "profile", "said"),
    [
        ("chained", ["--profile", "torchvision-cpu"], "targets:chained diverges as nms"),
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
    assert "for nms there are minidet, onnxruntime, opencv" in capsys.readouterr().err
    assert main(["conform", "check", "targets:nms", "--op", "nms", "--examples", "0"]) == 2
    assert "expected at least 1" in capsys.readouterr().err


def test_a_seed_draws_the_same_whatever_else_is_imported(tmp_path: Path):
    """In one process a module of many constants has been imported before."""
    (tmp_path / "constants.py").write_text(f"X = {list(range(101, 999, 9))}\n")
    code = """
import sys
if len(sys.argv) > 1:
    import constants
from minidet.conformance.search import smallest
from minidet.conformance.draws import DRAWS
from minidet.conformance import OPERATORS, profiles
seen = []
for name in ("nms", "coco_ap", "polygon_mask"):
    dialect = OPERATORS[name].dialect(**profiles()["minidet"][name])
    smallest(DRAWS[name](dialect), lambda one: seen.append(repr(one)), examples=60, seed=3)
print(hash(tuple(seen)))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]), "PYTHONHASHSEED": "0"}
    said = [
        subprocess.run([sys.executable, "-c", code, *more], env=env, capture_output=True, text=True, check=True).stdout
        for more in ([], ["with"])
    ]
    assert said[0] == said[1]
