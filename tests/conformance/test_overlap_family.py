"""The relatives of IoU and of NMS: published values, and ours in their other dialects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS
from support.own_overlaps import loss_and_gradient
from support.own_targets import Here

from minidet.conformance import OPERATORS, Operator, check, profiles


def dialect_of(name: str, **changes: str) -> dict[str, str]:
    return OPERATORS[name].dialect(**{**profiles()["minidet"][name], **changes})


def answer(name: str, inputs: dict[str, Any], **changes: str) -> Any:
    return OPERATORS[name].reference(inputs, dialect_of(name, **changes))


@pytest.mark.parametrize(
    ("alpha", "gradient"),
    [
        ("detached", (0.168256, -0.004915, 0.163341, -0.326682)),
        ("attached", (0.147001, 0.028606, 0.175608, -0.351216)),
    ],
)
def test_the_gradient_of_ciou_with_its_weight_detached_and_attached(alpha: str, gradient: tuple[float, ...]):
    """As torch gives them for 2 x 1 and 1 x 2."""
    boxes = {"pred": np.array([[0.0, 0, 2, 1]]), "target": np.array([[0.0, 0, 1, 2]])}
    loss, found = answer("ciou_loss", boxes, alpha_grad=alpha)
    assert loss == pytest.approx([0.762918], abs=1e-6)
    assert found[0] == pytest.approx(gradient, abs=1e-6)


def test_darknets_exponent():
    pair = {"a": np.array([[0.0, 0, 4, 1]]), "b": np.array([[1.0, 0, 5, 1]])}
    assert answer("diou", pair)[0, 0] == pytest.approx(0.5615, abs=1e-4)
    assert answer("diou", pair, exponent="0.6")[0, 0] == pytest.approx(0.4584, abs=1e-4)


def test_a_chain_in_fast_nms():
    chain = {
        "boxes": np.array([[0.0, 0, 4, 1], [1, 0, 5, 1], [2, 0, 6, 1]]),
        "scores": np.array([0.75, 0.5, 0.25]),
        "threshold": 0.5,
    }
    assert answer("fast_nms", chain).tolist() == [0]
    assert answer("nms", chain).tolist() == [0, 2]


def test_the_two_sigmas_of_soft_nms():
    nine_tenths = {
        "boxes": np.array([[0.0, 0, 10, 1], [0, 0, 9, 1]]),
        "scores": np.array([1.0, 0.8]),
        "threshold": 0.3,
        "sigma": 0.5,
        "floor": 0.001,
    }
    assert answer("soft_nms", nine_tenths)[1] == pytest.approx([1, 0.1583], abs=1e-4)
    assert answer("soft_nms", nine_tenths, spread="two_sigma")[1] == pytest.approx([1, 0.3559], abs=1e-4)


def test_the_best_box_may_escape_the_least_score():
    below = {
        "boxes": np.array([[0.0, 0, 1, 1], [5, 5, 6, 6]]),
        "scores": np.array([0.2988, 0.25]),
        "threshold": 0.3,
        "sigma": 0.5,
        "floor": 0.3,
    }
    assert answer("soft_nms", below)[0].tolist() == []
    assert answer("soft_nms", below, top="unchecked")[0].tolist() == [0]


OTHERS = [
    ("soft_nms", {"kernel": "linear"}, {"kernel": "linear"}),
    ("soft_nms", {"kernel": "linear", "compare": "inclusive"}, {"kernel": "linear", "compare": "inclusive"}),
    ("soft_nms", {"spread": "two_sigma", "at_floor": "kept"}, {"spread": "two_sigma", "at_floor": "kept"}),
    ("soft_nms", {"empty": "one"}, {"empty": "one"}),
    ("matrix_nms", {"kernel": "linear"}, {"kernel": "linear"}),
    ("matrix_nms", {"width": "inclusive"}, {"width": "inclusive"}),
    ("diou_nms", {"exponent": "0.6"}, {"beta": 0.6}),
    ("diou_nms", {"compare": "inclusive", "width": "inclusive"}, {"compare": "inclusive", "width": "inclusive"}),
    ("fast_nms", {"compare": "inclusive", "width": "inclusive"}, {"compare": "inclusive", "width": "inclusive"}),
]


@pytest.mark.parametrize(("name", "values", "options"), OTHERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours_in_another_dialect(name: str, values: dict[str, str], options: dict[str, Any], dtype: str):
    operator, op = OPERATORS[name], OPS[name]
    run = Here(lambda boxes, scores, **more: op(boxes, scores, **more, **options), 2, len(operator.outputs))
    verdict = check(operator, run, dialect_of(name, **values), dtype=dtype, examples=80)
    assert verdict.word == "conforms", verdict.found


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou"])
@pytest.mark.parametrize("options", [{"width": "inclusive"}, {"empty": "nan"}])
def test_our_matrices_in_another_dialect(kind: str, options: dict[str, str]):
    op = OPS[f"{kind}_matrix"]
    verdict = check(
        OPERATORS[kind], Here(lambda a, b: op(a, b, **options), 2), dialect_of(kind, **options), examples=60
    )
    assert verdict.word == "conforms", verdict.found


def test_our_ciou_loss_with_its_weight_attached():
    run = Here(lambda pred, target: loss_and_gradient(pred, target, kind="ciou", alpha="attached"), outputs=2)
    dialect = dialect_of("ciou_loss", alpha_grad="attached")
    assert check(OPERATORS["ciou_loss"], run, dialect, dtype="float64", examples=80).word == "conforms"
    said = check(OPERATORS["ciou_loss"], run, dialect_of("ciou_loss"), examples=80)
    assert said.word == "conforms to a variant"
    assert said.found is not None
    assert dict(said.found.flips[0]) == {"alpha_grad": "attached"}


def soft_judged(found: tuple[list[int], list[float]], **changes: Any) -> str:
    operator: Operator = OPERATORS["soft_nms"]
    ties = changes.pop("ties", "lowest")
    inputs = {
        "boxes": np.array([[0, 0, 1, 1], [3, 3, 4, 4], [6, 6, 7, 7]], np.float32),
        "scores": np.array([0.5, 0.5, 0.25], np.float32),
        "threshold": 0.5,
        "sigma": 0.5,
        "floor": 0.125,
    } | changes
    answer = np.array(found[0], np.int64), np.array(found[1], np.float32)
    return operator.judge(answer, inputs, dialect_of("soft_nms", ties=ties))


def test_what_soft_nms_may_answer_where_scores_tie():
    assert soft_judged(([0, 1, 2], [0.5, 0.5, 0.25])) == "same"
    assert soft_judged(([1, 0, 2], [0.5, 0.5, 0.25])) == ""
    assert soft_judged(([1, 0, 2], [0.5, 0.5, 0.25]), ties="any") == "unspecified"
    assert soft_judged(([2, 0, 1], [0.25, 0.5, 0.5]), ties="any") == ""
    assert soft_judged(([1, 0], [0.5, 0.5]), ties="any") == ""
    assert soft_judged(([1, 1, 2], [0.5, 0.5, 0.25]), ties="any") == ""
    assert soft_judged(([1, 0, 2], [0.5, 0.5, 0.3]), ties="any") == ""


def test_what_soft_nms_may_answer_where_rounding_decides():
    """Two boxes of one score lowered by the same overlap, in thirds, may come either way."""
    third = np.float32(1) / np.float32(3)
    boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [-1, 0, 1, 1]], np.float32) * third + third
    lowered = 0.5 * np.exp(-((1 / 3) ** 2) / 0.5)
    scores = np.array([0.75, 0.5, 0.5], np.float32)
    words = {
        soft_judged((order, [0.75, lowered, lowered * np.exp(0)]), boxes=boxes, scores=scores)
        for order in ([0, 1, 2], [0, 2, 1])
    }
    assert words <= {"same", "undecided"}
    assert soft_judged(([1, 0, 2], [0.5, 0.75, lowered]), boxes=boxes, scores=scores) == ""
